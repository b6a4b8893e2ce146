# shellcheck shell=sh
# More of Debian's archive than the machine's own releases have.  Sourced, not run.
#
# A second apt configuration below build/apt has them; the machine's own lists are
# read and stay as they are.  Nothing is installed.  The script that sources this has set $top,
# and $me, its name in messages.

# shellcheck disable=SC2154 # $top and $me
apt=$top/build/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# Where to look for what the machine's own releases lack; the first that has it is taken.
suites='bookworm bookworm-backports trixie trixie-backports sid'

die() {
	echo "$me: $*" >&2
	exit 1
}

# archive_begin HINT: what apt needs is there, and nobody else is at it
archive_begin() {
	for tool in apt-get apt-cache dpkg-deb; do
		command -v $tool >/dev/null || die "no $tool here: $1"
	done
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	# Two at a time would write the same lists.
	exec 9>"$apt/.lock"
	flock 9
}

# What the machine can install already: its own lists, and no others.
own() { "$@" -o APT::Sandbox::User=root; }

more() {
	"$@" -o APT::Sandbox::User=root -o Acquire::Languages=none \
		-o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::Etc::preferences=- -o Dir::Etc::preferencesparts=- \
		-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache"
}

archive_uri() { # of Debian's own archive, as the machine's apt sources have it
	LC_ALL=C apt-get indextargets --format \
		"\$(REPO_URI) \$(ORIGIN) \$(LABEL) \$(COMPONENT)" 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "Debian" && $3 == "Debian" && $4 == "main" { print $1; exit }'
}

say_why() { # the reason that apt gave
	grep -E '^(E|W|Err)' "$apt/log" | sort -u | head -5 >&2 || :
}

archive_read() { # PACKAGE SUITE...: makes these suites what more knows, for that package
	package=$1
	shift
	uri=${DEBIAN_ARCHIVE:-$(archive_uri)}
	[ -n "$uri" ] || die "no Debian archive is among this machine's apt sources: set DEBIAN_ARCHIVE to one, for example http://deb.debian.org/debian"
	[ -r "$keyring" ] || die "no $keyring to check signatures with: install debian-archive-keyring"
	for of; do
		echo "deb [signed-by=$keyring] $uri $of main"
	done >"$apt/sources.list"
	echo "$me: reading Debian's lists for $package ($(echo "$*" | tr ' ' ,))"
	more apt-get -q update >"$apt/log" 2>&1 || {
		say_why
		die "cannot read the lists of $uri: see $apt/log"
	}
}

versions() { # own|more PACKAGE: its versions and their suites, the newest first
	LC_ALL=C "$1" apt-cache madison "$2" 2>/dev/null |
		awk '$5 != "" { sub(/\/.*/, "", $6); print $3, $6 }'
}

archive_find() { # PACKAGE [MAJOR]: sets version and suite; fails if no suite has it
	# shellcheck disable=SC2086 # a list of words
	archive_read "$1" $suites
	for suite in $suites; do
		version=$(versions more "$1" | awk -v suite="$suite" -v major="${2-}" '
			$2 == suite && (major == "" || $1 ~ "^([0-9]+:)?" major "[.]") { print $1; exit }')
		[ -z "$version" ] || return 0
	done
	return 1
}
