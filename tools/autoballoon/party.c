// SPDX-License-Identifier: GPL-2.0-or-later
/* Sharing a sum out between guests: by band, and within one by weight. */
#include "step.h"

/**
 * party_add - add a guest in the order of bands
 * @parties: those there are, with room for one more
 * @nr: their number, made one more
 * @party: the guest
 * @high_band_first: the order; else low bands come first
 */
void party_add(struct party *parties, unsigned int *nr, const struct party *party,
	       bool high_band_first)
{
	unsigned int k;

	for (k = (*nr)++; k; k--) {
		if (high_band_first ? parties[k - 1].band >= party->band :
				      parties[k - 1].band <= party->band)
			break;
		parties[k] = parties[k - 1];
	}
	parties[k] = *party;
}

/**
 * party_band_end - where a band ends
 * @parties: guests in the order of bands
 * @nr: their number
 * @first: the band's first
 *
 * Return: the index after the band's last.
 */
unsigned int party_band_end(const struct party *parties, unsigned int nr, unsigned int first)
{
	unsigned int end = first;

	while (end < nr && parties[end].band == parties[first].band)
		end++;
	return end;
}

/**
 * party_split - share a sum out in proportion to weight
 * @goal: the sum, bytes
 * @parties: the guests; "share" grows, never above "cap"
 * @nr: their number
 *
 * What one cannot take on, the others do.
 *
 * Return: what was shared out, at most @goal.
 */
uint64_t party_split(uint64_t goal, struct party *parties, unsigned int nr)
{
	uint64_t done = 0;
	unsigned int i, round;

	for (round = 0; round < 8 && done < goal; round++) {
		double left = (double)(goal - done), sum = 0;

		for (i = 0; i < nr; i++)
			if (parties[i].share < parties[i].cap)
				sum += parties[i].weight;
		for (i = 0; i < nr && sum > 0; i++) {
			struct party *p = &parties[i];
			double part = left * (p->weight / sum);
			uint64_t room = min_u64(sub_floor(p->cap, p->share), goal - done);

			room = part < (double)room ? (uint64_t)part : room;
			p->share += room;
			done += room;
		}
	}
	return done;
}
