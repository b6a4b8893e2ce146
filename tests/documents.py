"""What the pages name, and whether it is there: links, files, commands, options, knobs, figures.

Each look takes the pages, {path: text}, and returns what is wrong, a line each.
tests/check and tests/tree/test_documents.py carry them out.
"""

import functools
import glob
import os
import re
import subprocess

import paths
from checking import KERNEL_DIRS, TOP, files

# Pages speak of this series where they name no other, whichever is tested.
SOURCE = os.path.join(paths.BUILD, "src", paths.DEFAULT_SERIES)
OVERLAY, UPSTREAM = (os.path.join(SOURCE, name) for name in ("overlay", "upstream"))
KERNEL_PAGES = "Documentation/"
# Files of a newer kernel than the one that is looked at.
NEWER = {"mm/balloon.c"}
FIGURES = "docs/figures.md"
# Where a command of the front door, which no look can carry out, runs in a test.
FRONT = ("README.md", "CONTRIBUTING.md", "docs/faq.md", "docs/architecture.md", "docs/packages.md")
RUN_BY = {
    "make run": "tests/vm/test_run.py::test_first_run",
    "make kernel": "tests/run",
    "make test": ".ci/run",
    "make compare": "tests/vm/test_run.py",
    "make soak": "tests/soak",
    "make coverage": "tests/coverage",
    "make check": "tests/check",
    "make check-long": "tests/check-long",
    "make patch": "tests/tree/test_patch.py::test_patch_p1",
    "tar -C": "tests/tree/test_patch.py::test_patch_p1",
    "patch -d": "tests/tree/test_patch.py::test_patch_p1",
    "make deb": "tests/vm/test_guest_packages.py::test_it_boots_without_an_initramfs",
    "make deb-tools": "tests/daemon/test_package.py::test_life_of_the_package",
    "apt install": "tests/vm/test_guest_packages.py::test_it_boots_without_an_initramfs",
    "reboot": "tests/vm/test_guest_packages.py::test_it_boots_without_an_initramfs",
    "page-reporting doctor": "tests/vm/test_guest_packages.py::test_the_tool_finds_nothing_wrong",
    "autoballoonctl setup": "tools/autoballoon/tests/test_ctl.py::test_setup_can_be_copied",
    "autoballoonctl status": "tests/daemon/test_package.py::test_life_of_the_package",
    "tests/pure/pure.py": "tests/tree/test_documents.py::test_the_quick_test_is_quick",
    "tests/run": "tests/run",
    "tests/coverage": "tests/coverage",
}
# What else stands in blocks there: what a program prints, options, a picture.
NO_COMMAND = re.compile(r"[-<>|+ \d.]|[A-Z]|half |in |still |guest|page allocator|a program|"
                        r"host|granule|size_policy|util|tools/\S+ {2}|\w+/\S* {2}|\S+ {2,}\S")
# Words that look like an option or a name of ours and belong to somebody else.
PYTEST = {"-k", "-m"}


def _read(path, top=TOP):
    with open(os.path.join(top, path)) as f:
        return f.read()


def all_pages():
    """The pages of the project and of the kernel, manual pages too: {path: text}."""
    found = [name for name in os.listdir(TOP) if name.endswith(".md")]
    found += files("docs", "tools", "tests", suffixes=(".md", ".rst", ".1", ".8"))
    found += [path for path in files("Documentation", suffixes=("",))]
    return {path: _read(path) for path in found}


def _is_manual(page):
    return page.endswith((".1", ".8"))


def _exists(path, *tops):
    return any(os.path.exists(os.path.join(top, path)) for top in (TOP, *tops))


# Links and paths


def _anchors(text):
    """Of a page in Markdown: what links may end with."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.+)$", text, re.M)}


def links(pages):
    """links lead to files and headings that exist"""
    for page, text in pages.items():
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
            path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
            if not _exists(path):
                yield f"{page} links to {target}, which does not exist"
            elif anchor and anchor not in _anchors(pages.get(path, "")):
                yield f"{page} links to {path}#{anchor}, which is no heading"
        for path in re.findall(r"`([\w./-]+\.(?:rst|md)) ?<|\.\. include:: (\S+)", text):
            target = path[0] or path[1]
            if not _exists(os.path.join(os.path.dirname(page), target)):
                yield f"{page} links to {target}, which does not exist"


def named_paths(pages):
    """files that the pages name exist, here or in the kernel"""
    ours = r"(?:configs|patches|compat|tools|tests|docs|debian|mm|drivers|include|fs|\.ci)/[\w./*-]+"
    for page, text in pages.items():
        code = set(re.findall(rf"`({ours})`", text))
        code.update(re.findall(r"(?<![\w/])Documentation/[\w./-]+\w", text))
        for name in sorted(code):
            path = name.replace("SERIES", "6.12" if "compat" in name else "7.3")
            if name not in NEWER and not any(glob.glob(os.path.join(place, path)) for place in (
                    TOP, OVERLAY, UPSTREAM, os.path.join(TOP, os.path.dirname(page)),
                    os.path.join(TOP, "drivers/virtio/virtio_balloon"))):
                yield f"{page} names {name}, which does not exist"


# Commands


def _c_table(path, pattern):
    return re.findall(pattern, _read(path))


@functools.cache
def programs():
    """Our compiled programs: {name: (commands with the options of each or None, options)}.

    Options are {short: long}; where a command has a string of keys it takes only these.
    """
    tool, daemon = "tools/page-reporting/main.c", "tools/autoballoon/"
    commands = {name: set(keys) | set("hV") for name, keys in
                _c_table(tool, r'\{ "([\w-]+)", \w+_command, "(\w*)" \}')}
    options = {short: name for name, short in
               _c_table(tool, r"\{ \"([\w-]+)\", \w+, NULL, '(\w)' \}")}
    found = {"page-reporting": (commands, options)}
    argp = {"?": "help", "V": "version"}
    for name, path in (("autoballoonctl", "autoballoonctl.c"), ("autoballoond", "main.c"),
                       ("autoballoon-libvirt", "libvirt/main.c")):
        options = {short: long for long, short in
                   _c_table(daemon + path, r"\{ \"([\w-]+)\", '(\w)', ")}
        commands = {"run": None} if name == "autoballoond" else None
        if name == "autoballoonctl":
            commands = {word: set(keys) | set("su?V") for word, keys in
                        _c_table(daemon + path, r'\{ "([\w-]+)", cmd_\w+, "(\w*)" \}')}
        found[name] = (commands, {**options, **argp})
    return found


@functools.cache
def script_options(path):
    """What --help of a script of ours names."""
    done = subprocess.run([os.path.join(TOP, path), "--help"], capture_output=True, text=True,
                          check=False, timeout=60, cwd=TOP)
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", done.stdout + done.stderr))


def make_targets(directory=""):
    try:
        text = _read(os.path.join(directory, "Makefile"))
    except FileNotFoundError:
        return None
    targets = set()
    for line in re.findall(r"^([a-z][\w -]*):(?!=)", text, re.M):
        targets.update(line.split())
    return targets


def code_of(page, text):
    """What stands as code on a page: spans within a line and indented lines, a string each."""
    if _is_manual(page):
        found = re.findall(r"^\.(?:Dl|Ql|Li) (.+)$", text, re.M)
        for block in re.findall(r"^\.Bd .*?\n(.*?)^\.Ed", text, re.M | re.S):
            found += block.splitlines()
        return [line.strip() for line in found]
    found = [re.sub(r"\s+", " ", span) for span in
             re.findall(r"``(.+?)``|(?<!`)`([^`]+?)`(?!`)", text, re.S)
             for span in span if span and len(span) < 200]
    joined = re.sub(r"\\\n +", "", text)
    return found + [line.strip() for line in joined.splitlines()
                    if line.startswith("    ") and line.strip()]


def command_lines(page, text):
    """The commands in that code, as lists of words."""
    for code in code_of(page, text):
        # What stands behind two blanks explains the command.
        for part in re.split(r"\|\|?|&&|;|\$ (?!\()", code.split("  ")[0]):
            words = part.split()
            while words and re.fullmatch(r"[A-Z_]+=\S*|exec|nice|time|sudo|#", words[0]):
                words.pop(0)
            if words:
                yield words


def _judge_make(words):
    directory = ""
    if "-C" in words[:-1]:
        directory = words[words.index("-C") + 1]
        words = [word for word in words if word not in ("-C", directory)]
    if re.search(r"[A-Z]", directory):
        return
    targets = make_targets(directory)
    if targets is None:
        yield f"make -C {directory}, where there is no Makefile"
        return
    # The first is the target; words of explanation may follow.
    target = next((word for word in words[1:] if re.fullmatch(r"[a-z][a-z0-9-]*", word)), None)
    if target and target not in targets:
        yield f"make {target}, which {os.path.join(directory, 'Makefile')} does not know"


def _judge_program(words):
    commands, options = programs()[words[0]]
    command, longs = None, {name: short for short, name in options.items()}
    for word in words[1:]:
        if word in ("...", "[OPTION...]") or re.fullmatch(r"[A-Z]+", word):
            continue
        if word.startswith("--"):
            name = word[2:].split("=")[0]
            if name not in longs:
                yield f"{words[0]} --{name}, an option that it does not have"
                return
            keys = [longs[name]]
        elif word.startswith("-"):
            keys = word[1] if word[1:2] and commands is None else word[1:]
            missing = [key for key in keys if key not in options and not key.isdigit()]
            if missing:
                yield f"{words[0]} -{missing[0]}, an option that it does not have"
                return
        else:
            if command is None and commands is not None:
                command, keys = word, []
                if word not in commands:
                    yield f"{words[0]} {word}, a command that it does not have"
                    return
            continue
        if command and commands[command] is not None:
            refused = [key for key in keys if key not in commands[command]]
            if refused:
                yield f"{words[0]} {command} -{refused[0]}, which that command does not take"
                return


def _judge_script(words):
    known = script_options(words[0])
    if words[0] == "tests/run":
        known = known | PYTEST
    for word in words[1:]:
        option = word.split("=")[0]
        if re.fullmatch(r"--[a-z][\w-]*|-[a-zA-Z]", option) and option not in known:
            yield f"{words[0]} {option}, an option that it does not have"


def commands(pages):
    """make targets, programs, their commands and options exist"""
    for page, text in pages.items():
        kernel = page.startswith(KERNEL_PAGES)
        for words in command_lines(page, text):
            script = words[0].removeprefix("./")
            if words[0] == "make" and not kernel:
                found = _judge_make(words)
            elif words[0] in programs():
                found = _judge_program(words)
            elif re.match(r"(?:tools|tests)/", script) and len(words) > 1 \
                    and os.access(os.path.join(TOP, script), os.X_OK) \
                    and os.path.isfile(os.path.join(TOP, script)):
                found = _judge_script([script, *words[1:]])
            else:
                continue
            for what in found:
                yield f"{page} names {what}"


def manuals(pages):
    """a manual page has the options of its program, all of them and no others"""
    for name, (_, options) in programs().items():
        for page in [page for page in pages if os.path.basename(page).startswith(f"{name}.")
                     and _is_manual(page)]:
            lines = re.findall(r"^\.It (Fl .*)$", pages[page], re.M)
            told = {word for line in lines for word in re.findall(r"-([a-z][a-z-]+)", line)}
            told |= {word for line in lines for word in re.findall(r"Fl (\w)\b", line)}
            has = {word for option in options.items() for word in option} - {"?", "V", "h", "help",
                                                                             "version"}
            for word in sorted(has - told):
                yield f"{page} does not tell of the option {word}"
            for word in sorted(told - has - {"V", "h", "help", "version"}):
                yield f"{page} tells of an option {word}, which {name} does not have"


# Names of the kernel's part


def _names(pattern, *roots, suffixes=(".c", ".h")):
    return {name for path in files(*roots, suffixes=suffixes)
            for name in re.findall(pattern, _read(path), re.M)}


def knobs():
    return _names(r'\.procname\s*= "(\w+)"', "mm/page_reporting")


def counters():
    return _names(r"^REPORTING_ATTR\((\w+)", "mm/page_reporting")


def parameters():
    """{module: names}"""
    pattern = r"^module_param\w*\((\w+)"
    return {"page_reporting": _names(pattern, "mm/page_reporting"),
            "virtio_balloon": _names(pattern, "drivers/virtio/virtio_balloon")}


def tracepoints():
    return _names(r"^(?:TRACE_EVENT|DEFINE_EVENT)\((?:\w+,\s*)?((?:page_reporting|virtio_balloon)_\w+)",
                  "include/trace/events")


def kunit_cases():
    return _names(r"^\s+KUNIT_CASE\w*\((\w+)", *KERNEL_DIRS, suffixes=("_kunit.c",))


def pytest_names():
    return _names(r"^def (test_\w+)", "tests", "tools", suffixes=(".py",))


def kernel_names(pages):
    """knobs, counters, module parameters and tracepoints exist"""
    by_module = parameters()
    attributes = _names(r"^static DEVICE_ATTR_R\w\((\w+)", "drivers/virtio/virtio_balloon")
    kinds = (
        ("vm knob", r"\bvm\.(page_reporting_\w+)|/proc/sys/vm/(page_reporting_\w+)\b(?!\*)", knobs()),
        ("counter", r"/sys/kernel/mm/page_reporting/(\w+)", counters()),
        ("parameter of page_reporting", r"/sys/module/page_reporting/parameters/(\w+)|"
         r"\bpage_reporting\.(\w+)=", by_module["page_reporting"]),
        ("parameter of virtio_balloon", r"/sys/module/virtio_balloon/parameters/(\w+)|"
         r"\bvirtio_balloon\.(?!c`)(\w+)[=`]", by_module["virtio_balloon"]),
        ("tracepoint", r"\bevents/page_reporting/(\w+)|\bevents/virtio_balloon/(\w+)|"
         r"\b(?:page_reporting|virtio_balloon):(\w+)", tracepoints()),
        ("file of a balloon", r"virtio(?:\d|N|\*)/balloon/(\w+)", attributes),
    )
    for page, text in pages.items():
        for kind, pattern, known in kinds:
            for groups in re.findall(pattern, text):
                name = groups if isinstance(groups, str) else "".join(groups)
                if name and name not in known and name != "page_reporting_":
                    yield f"{page} names the {kind} {name}, which does not exist"


@functools.cache
def _words_of_the_tree():
    listed = files("mm", "drivers", "include", "tools", "tests", "patches", "configs", "compat",
                   "debian", suffixes=("",))
    words = set()
    for path in listed:
        if not path.endswith((".md", ".rst", ".png")) and not _is_manual(path):
            with open(os.path.join(TOP, path), errors="replace") as f:
                words.update(re.findall(r"\w+", f.read()))
            words.update(re.findall(r"\w+", os.path.basename(path)))
    return words


# Of the kernel, the C library, QEMU, Kata; no file of ours has the word.
OTHERS = {"PG_reported", "DEBUG_VM", "get_maintainer", "kernel_params", "nr_balloon_pages",
          "shmem_enabled", "smaps_rollup"}


def identifiers(pages):
    """words of code with an underscore are words of the code"""
    known = _words_of_the_tree() | OTHERS | _kconfig_symbols()
    for page, text in pages.items():
        if _is_manual(page):
            spans = re.findall(r"^\.(?:Va|Pa|Li|Dv|Ic) (.+)$", text, re.M)
        else:
            spans = re.findall(r"``?([^`]+?)``?", text)
        for name in sorted({name for span in spans
                            for name in re.findall(r"[A-Za-z_]\w*_\w*", span)}):
            if name not in known and not name.endswith("_"):
                yield f"{page} names {name}, which no source has"


@functools.cache
def _kconfig_symbols():
    symbols = set()
    for directory, dirs, names in os.walk(OVERLAY):
        dirs[:] = [name for name in dirs if name not in ("obj", "obj-check")
                   and not name.startswith("obj-")]
        for name in names:
            if name.startswith("Kconfig"):
                with open(os.path.join(directory, name), errors="replace") as f:
                    symbols.update(re.findall(r"^\s*(?:menu)?config (\w+)", f.read(), re.M))
    return symbols


def options_of_the_kernel(pages):
    """options CONFIG_* that the pages name exist in the kernel"""
    named = {(page, name) for page, text in pages.items()
             for name in re.findall(r"\bCONFIG_([A-Z0-9]\w*)\b(?!\*)", text)}
    if named and not os.path.isdir(OVERLAY):
        yield f"no kernel source in {os.path.relpath(OVERLAY, TOP)}: run tools/vm/build-kernel overlay"
        return
    for page, name in sorted(named):
        if name not in _kconfig_symbols():
            yield f"{page} names CONFIG_{name}, which no Kconfig has"


# The kernel's pages speak of the kernel


FOREIGN = re.compile(r"(?<![\w-])page-reporting(?![\w-])|autoballoon|\bmake (?:check|test|bench)\b|"
                     r"(?<![\w/])(?:docs|tests/(?:vm|tree|pure))/|\w+\.py\b|[Tt]his (?:project|patch)\b|"
                     r"\btest_\w+|\b[Uu]pstream\b")


def kernel_only(pages):
    """pages of the kernel name nothing that is not in it"""
    for page, text in pages.items():
        if page.startswith(KERNEL_PAGES):
            for word in sorted(set(FOREIGN.findall(text))):
                yield f"{page} names {word}, which is not the kernel's"


def rst(pages):
    """docutils reads the kernel's pages and those in reStructuredText without a word"""
    import docutils.core
    import docutils.utils
    from docutils import nodes
    from docutils.parsers.rst import Directive, directives, roles

    class Ignored(Directive):
        has_content = True
        optional_arguments = 99
        option_spec = {"identifiers": directives.unchanged}

        def run(self):
            return []

    directives.register_directive("kernel-doc", Ignored)
    for role in ("doc", "ref", "c:func"):
        roles.register_local_role(role, lambda *arguments, **_: (
            [nodes.inline(arguments[1], arguments[2])], []))
    for page, text in pages.items():
        if not page.endswith(".rst"):
            continue
        document = docutils.core.publish_doctree(
            text, settings_overrides={"report_level": 5, "halt_level": 6})
        for message in document.findall(nodes.system_message):
            if message["level"] >= 2:
                yield f"{page}:{message.get('line', '?')}: {message.astext()}"


def kernel_doc(_pages):
    """kernel-doc of every function and struct that has one"""
    done = subprocess.run([os.path.join(OVERLAY, "scripts", "kernel-doc"), "-none", "-Wall",
                           *files(*KERNEL_DIRS, suffixes=(".c", ".h"))],
                          cwd=TOP, capture_output=True, text=True, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        if re.search("warning|error", line, re.I):
            yield line


# Figures


@functools.cache
def bench_rows():
    done = subprocess.run([os.path.join(paths.TOP, "tools", "bench", "bench"), "--list"],
                          capture_output=True, text=True, check=True)
    return re.findall(r"^  ([\w-]+\.[\w-]+) ", done.stdout, re.M)


def _cells(row):
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _tables(text):
    """(head, rows, the paragraph behind) of each table in Markdown."""
    for match in re.finditer(r"(?:^\|.*\n)+", text, re.M):
        head, _, *rows = match[0].splitlines()
        paragraph = text[match.end():].lstrip("\n").split("\n\n")[0]
        yield _cells(head), [_cells(row) for row in rows], re.sub(r"\s+", " ", paragraph)


FIGURE = re.compile(r"[\d,.]+ ?(?:s|MiB|%|M)?")


def figures(pages):
    """each figure has a row of the benchmark, each table the command that prints it"""
    printed, bare = set(), []
    for page in ("README.md", FIGURES):
        for head, rows, behind in _tables(pages.get(page, "")):
            if head[-1] != "row":
                if "this project" in head:
                    bare += [(page, cell) for row in rows for cell in row[1:]
                             if FIGURE.fullmatch(cell)]
                continue
            for row in rows:
                name = row[-1].strip("`")
                if any(FIGURE.match(cell) for cell in row[1:-1]) and name not in bench_rows():
                    yield f"{page}: '{row[0]}' has no row of tools/bench/bench --list"
                printed.update(row[1:-1])
            calls = re.findall(r"`(tools/bench/bench [^`]*--only [^`]*)`", behind)
            if not calls:
                yield f"{page}: the table of '{rows[0][0]}' has no command that prints it behind it"
            for wanted in re.findall(r"--only ([\w.-]+)", " ".join(calls)):
                if wanted != "ROW" and not any(row.startswith(wanted) for row in bench_rows()):
                    yield f"{page}: bench --only {wanted}: no such row"
    for page, cell in bare:
        if cell not in printed:
            yield f"{page} has a figure {cell} that no table with a command has"


# Commands of the front door


def _blocks(text):
    """The indented lines of a page in Markdown, those of a list's items left out."""
    for block in re.findall(r"(?:^|\n\n)((?:    .*(?:\n|$))+)", text):
        yield from block.splitlines()


def front_door(pages):
    """each command of the front door runs in a test"""
    for page in FRONT:
        for line in _blocks(pages.get(page, "")):
            line = line[4:]
            if NO_COMMAND.match(line) and not line.startswith(tuple(RUN_BY)):
                continue
            begin = max((word for word in RUN_BY if line.startswith(word)), key=len, default=None)
            if not begin:
                yield f"{page} has the command '{line}', which runs in no test"
                continue
            path, _, test = RUN_BY[begin].partition("::")
            if not _exists(path) or test and f"def {test}(" not in _read(path):
                yield f"'{begin}' is said to run in {RUN_BY[begin]}, which does not exist"


LOOKS = (links, named_paths, commands, manuals, kernel_names, identifiers, options_of_the_kernel,
         kernel_only, rst, kernel_doc, figures, front_door)
