"""What the pages say is there: files, commands, options, names, figures; and what looks at it bites."""

import os
import subprocess

import pytest

import checking
import documents
import layers
import paths


@pytest.fixture(scope="module")
def pages():
    if not os.path.isdir(documents.OVERLAY):
        subprocess.run([checking.BUILD_KERNEL, "--source-only", f"overlay-{paths.DEFAULT_SERIES}"],
                       check=True)
    found = documents.all_pages()
    assert len(found) > 15
    return found


@pytest.mark.parametrize("look", documents.LOOKS, ids=lambda look: look.__name__)
def test_pages_hold(look, pages):
    findings = list(look(pages))
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("look, page, text, says", [
    ("links", "README.md", "[x](docs/none.md)", "docs/none.md"),
    ("links", "README.md", "# A\n[x](#b)", "no heading"),
    ("named_paths", "docs/x.md", "see `tools/vm/none.py`", "tools/vm/none.py"),
    ("named_paths", "Documentation/x.rst", "Documentation/mm/none.rst", "none.rst"),
    ("commands", "README.md", "Run\n\n    make none\n", "make none"),
    ("commands", "README.md", "`make -C tools/page-reporting none`", "make none"),
    ("commands", "docs/x.rst", "then ::\n\n    page-reporting flash\n", "flash"),
    ("commands", "docs/x.rst", "``page-reporting flush --soon``", "--soon"),
    ("commands", "docs/x.rst", "``page-reporting status --compact``", "-c"),
    ("commands", "x.8", ".Dl page-reporting status -x", "-x"),
    ("commands", "docs/x.md", "`autoballoonctl give`", "give"),
    ("commands", "docs/x.md", "`sudo autoballoond --none`", "--none"),
    ("commands", "docs/x.md", "`tools/bench/bench --none`", "--none"),
    ("manuals", "page-reporting.8", ".It Fl c , -compact\n.It Fl z\n", "option z"),
    ("kernel_names", "docs/x.md", "`vm.page_reporting_none`", "page_reporting_none"),
    ("kernel_names", "docs/x.md", "`/sys/kernel/mm/page_reporting/none`", "counter none"),
    ("kernel_names", "docs/x.md", "`virtio_balloon.none=1`", "none"),
    ("kernel_names", "docs/x.md", "`perf record -e page_reporting:none`", "tracepoint none"),
    ("identifiers", "docs/x.md", "`no_such" + "_word`", "no_such"),
    ("options_of_the_kernel", "docs/x.md", "CONFIG_NO_SUCH_WORD", "NO_SUCH_WORD"),
    ("kernel_only", "Documentation/x.rst", "``page-reporting status``", "page-reporting"),
    ("kernel_only", "Documentation/x.rst", "``test_x`` (test_y.py)", "test_"),
    ("rst", "Documentation/x.rst", "A\n=\n\n``open\n", "literal"),
    ("figures", "README.md", "| | this project | row |\n| - | - | - |\n| a | 1 s | `x.y` |\n\nWords.",
     "no row of"),
    ("figures", "README.md", "| | this project | row |\n| - | - | - |\n| a | 1 s | `again.units` |\n\n"
     "Words.", "no command"),
    ("figures", "README.md", "| | this project |\n| - | - |\n| a | 77 s |\n", "77 s"),
    ("front_door", "README.md", "Do\n\n    rm -rf build\n", "rm -rf build"),
])
def test_what_is_not_there_is_found(look, page, text, says):
    findings = list(getattr(documents, look)({page: text}))
    assert any(says in finding for finding in findings), findings


def test_the_quick_test_is_quick():
    """From an edit to a result in less than a minute, as CONTRIBUTING says; of CPU time here."""
    begun = os.times()
    done = subprocess.run([os.path.join(paths.TOP, "tests", "pure", "pure.py")],
                          capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
    spent = os.times()
    assert spent.children_user + spent.children_system < \
        begun.children_user + begun.children_system + 60


@pytest.mark.parametrize("part", layers.PARTS)
def test_nothing_calls_upwards(part):
    """In the compiled objects, by the order that the sources and the design document give."""
    calls = layers.upward_calls(part)
    assert not calls, "\n".join(calls)


def test_hooks_take_no_lock():
    """They run under zone->lock, and in an NMI on newer kernels; a look at the worker bites."""
    assert layers.locks("mm/page_reporting", "worker")
    assert not layers.locks("mm/page_reporting", "hooks")


@pytest.mark.parametrize("part", layers.PARTS)
def test_the_layers_are_all_of_it(part):
    """Each source has its layer, and a line in docs/architecture.md."""
    text = documents.all_pages()["docs/architecture.md"]
    names = layers.sources(part)
    assert len(names) > 10
    assert names == {name for group in layers.order(part) for name in group}
    assert [name for name in names if f"`{name}`" not in text] == []
