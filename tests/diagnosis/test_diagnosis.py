import importlib
import json
import subprocess
import sys
from importlib import metadata

import pytest

import kerasllm
from kerasllm.diagnosis import checks
from kerasllm.diagnosis.report import Check, DoctorReport

doctor = importlib.import_module("kerasllm.diagnosis.report")


def check(report, name):
    return next(check for check in report.checks if check.name == name)


@pytest.fixture
def versions(monkeypatch):
    """Pretend that exactly these packages are installed; starts from sound ones."""
    pretended = {**doctor.REQUIRED, **doctor.BACKENDS}

    def version(name):
        if name not in pretended:
            raise metadata.PackageNotFoundError(name)
        return pretended[name]

    monkeypatch.setattr(metadata, "version", version)
    return pretended


@pytest.fixture
def quiet(monkeypatch, tmp_path):
    """Keep the settings of whoever runs the tests out of them."""
    for name in ("KERASLLM_DATA", "NLTK_DATA", "TF_USE_LEGACY_KERAS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def examine():
    return doctor.doctor(show=False, probe=False)


def test_a_sound_installation_is_well(versions, quiet):
    report = examine()
    assert report.ok, str(report)
    assert str(report).endswith("All is well.")
    json.dumps(report.to_json())


def test_it_prints_what_it_found(quiet, capsys):
    report = doctor.doctor(probe=False)
    assert capsys.readouterr().out == f"{report}\n"


def test_a_call_of_the_package_is_the_same_thing(quiet):
    assert isinstance(kerasllm.doctor(show=False, probe=False), DoctorReport)


def test_the_limits_are_those_of_the_package():
    wanted = metadata.requires("kerasllm") or []
    lowest = dict(
        line.split(";")[0].split(">=") for line in wanted if ">=" in line and "; extra" not in line
    )
    ours = {**doctor.REQUIRED, "tensorflow": doctor.BACKENDS["tensorflow"]}
    assert ours == {name.strip(): limit.strip() for name, limit in lowest.items()}


def test_a_missing_package_is_a_problem_with_its_cure(versions, quiet):
    del versions["nltk"], versions["jax"]
    report = examine()
    assert check(report, "nltk") == Check(
        "nltk", "missing", "problem", "pip install -U 'nltk>=3.9.2'"
    )
    assert check(report, "jax").status == "note"
    assert [problem.name for problem in report.problems] == ["nltk"]
    assert "1 problem, see" in str(report)


def test_tensorflow_is_known_under_its_other_names(versions, quiet):
    del versions["tensorflow"]
    versions["tensorflow-cpu"] = "2.20.0"
    assert check(examine(), "tensorflow").found == "2.20.0"


def test_an_old_keras(versions, quiet):
    versions["keras"] = "3.7.0"
    assert check(examine(), "keras").found == "3.7.0, older than 3.14.1"


@pytest.mark.parametrize("pair", doctor.BAD_PAIRS, ids=lambda pair: f"{pair[0]}+{pair[2]}")
def test_every_bad_pair_is_found_and_a_good_one_is_not(versions, quiet, pair):
    name, below, other, since, *_, cure = pair
    versions.update({name: "0.1", other: since})
    assert check(examine(), f"{name} + {other}").cure == cure
    versions[name] = below
    assert f"{name} + {other}" not in [found.name for found in examine().checks]


@pytest.mark.parametrize(
    ("version", "limit", "older"),
    [("2.9.1", "2.18", True), ("2.18.0rc1", "2.18", False), ("2.13.0+cpu", "2.4", False)],
)
def test_versions_are_compared_as_numbers(version, limit, older):
    assert doctor._older(version, limit) == older


def test_folders_that_do_not_exist(versions, quiet, monkeypatch):
    monkeypatch.setenv("KERASLLM_DATA", str(quiet / "nowhere"))
    found = check(examine(), "KERASLLM_DATA")
    assert (found.status, found.cure) == ("problem", "make that folder, or unset KERASLLM_DATA")


def test_a_cache_that_cannot_be_written(versions, quiet, monkeypatch):
    (quiet / "file").write_text("in the way")
    monkeypatch.setenv("KERASLLM_CACHE", str(quiet / "file" / "cache"))
    found = check(examine(), "cache")
    assert found.status == "problem"
    assert "set KERASLLM_CACHE" in found.cure


def test_a_full_disk(quiet):
    assert "free" in checks.cache(free=1e30).found
    assert checks.cache(free=1e30).status == "problem"


def test_settings_that_change_results(versions, quiet, monkeypatch):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    (quiet / "keras.json").write_text('{"floatx": "float16"}')
    report = examine()
    assert check(report, "TF_USE_LEGACY_KERAS").status == "problem"
    assert "float16" in check(report, "keras.json").found


def test_a_broken_keras_json(versions, quiet):
    (quiet / "keras.json").write_text("{")
    assert check(examine(), "keras.json").cure == "remove that file"


def test_a_backend_that_does_not_start(monkeypatch):
    monkeypatch.setattr(checks, "_PROBE", "raise ImportError('no such backend')")
    (found,) = checks.backend()
    assert found.status == "problem"
    assert "no such backend" in found.found


def test_a_backend_that_hangs(monkeypatch):
    monkeypatch.setattr(checks, "_PROBE", "import time; time.sleep(60)")
    (found,) = checks.backend(seconds=0.2)
    assert "did not start" in found.found


def test_the_backend_and_its_devices_are_named(monkeypatch):
    answer = {"backend": "jax", "devices": ["TFRT_CPU_0"], "floatx": "float32"}
    answer |= {"keras": "3.15.1", "masks": True}
    monkeypatch.setattr(checks, "_PROBE", f"print('noise'); print({json.dumps(answer)!r})")
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    backend, devices, masks = checks.backend()
    assert backend.found == "jax, computes in float32"
    assert devices == Check("devices", "TFRT_CPU_0")
    assert (masks.status, masks.cure) == ("ok", "") and "pass masks on" in masks.found


def test_recurrent_layers_that_lose_masks_are_told(monkeypatch):
    entered = """
from kerasllm.verify import recurrent_masks
block = recurrent_masks(kept=False)
block.__enter__()
"""
    monkeypatch.setattr(checks, "_PROBE", entered + checks._PROBE)
    masks = checks.backend()[-1]
    assert masks.status == "note" and "lose the mask" in masks.found
    assert "kerasllm.layers.StackedRNN or BiLSTM, or pass mask=" in masks.cure


def test_a_gpu_that_the_backend_does_not_see(monkeypatch):
    monkeypatch.setattr(checks.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert checks.devices("tensorflow", ["/CPU:0"]).cure == "pip install 'tensorflow[and-cuda]'"
    assert checks.devices("tensorflow", ["/CPU:0", "/GPU:0"]).status == "ok"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert checks.devices("tensorflow", ["/CPU:0"]).status == "note"


def test_works_when_packages_cannot_be_imported(quiet):
    code = """
import sys
for name in ("numpy", "matplotlib", "nltk", "keras", "rich", "typer", "tensorflow"):
    sys.modules[name] = None  # importing it raises ImportError
import kerasllm
assert kerasllm.doctor(probe=False).checks
assert kerasllm.doctor(show=False, probe=False).checks  # now it is a module: callable, too
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Chinese font" in done.stdout
