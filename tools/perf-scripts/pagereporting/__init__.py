"""What the page reporting and balloon scripts for perf share.

report.py    a script's frame: options, events, output
figures.py   sizes, percentiles, histograms, tables
text.py      events from text, where perf has no Python
picture.py   matplotlib, where there is one
report.sh    what bin/*-report call
"""
