#!/bin/sh
# Runs a report on a recording; bin/NAME-report is "report.sh NAME ARGUMENTS".
#
# perf hands over its own options and the script's in one list: -i and -f, which
# it adds itself when it reads from a pipe, are taken out of it.
name=$1
shift
script=$PERF_EXEC_PATH/scripts/python/$name.py

input=perf.data
force=
left=$#
while [ "$left" -gt 0 ]; do
	word=$1
	shift
	left=$((left - 1))
	case $word in
	-h | --help)
		exec python3 "$script" --help ;;
	-i | --input)
		if [ "$left" -eq 0 ]; then
			echo "$name: $word needs a file" >&2
			exit 2
		fi
		input=$1
		shift
		left=$((left - 1)) ;;
	-f | --force)
		force=1 ;;
	--) ;;
	*)	# behind the words that are not looked at yet
		set -- "$@" "$word" ;;
	esac
done
# No event here has an address in code.  A host does not have the guest's symbols anyway.
if perf version --build-options 2>/dev/null | grep -q 'libpython: *\[ *OFF'; then
	# This perf cannot run scripts, but the script can read its text.
	perf script --ns --kallsyms=/dev/null ${force:+-f} -i "$input" | python3 "$script" "$@" -
	exit
fi
exec perf script --kallsyms=/dev/null ${force:+-f} -i "$input" -s "$script" -- "$@"
