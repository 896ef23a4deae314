"""Everything that YAML allows has a clear answer."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scaler.manifest import load
from scaler.ports.errors import InvalidManifest

if TYPE_CHECKING:
    from conftest import Loader


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a:\n\t- b\n", "m0.yaml:2:1: found a tab, expected YAML (indent with spaces", id="tab"),
        pytest.param("name:\tw\n", "m0.yaml:1:6: found a tab, expected YAML (write a space instead)", id="tab-value"),
        pytest.param("a: 'b\nc: d\n", "m0.yaml:1:4: found a quote that is never closed, expected the same", id="quote"),
        pytest.param(
            "name: a\nname: b\nproperties: {}", "m0.yaml:2:1: name: found the key a second time", id="duplicate"
        ),
        pytest.param("- a\n", "m0.yaml:1:1: found a list, expected a mapping", id="list"),
        pytest.param("just text", "m0.yaml:1:1: found a single value, expected a mapping", id="scalar"),
        pytest.param("a: [1,\nb\n", "m0.yaml:3:1: found '<stream end>', expected ',' or ']'", id="unclosed"),
        pytest.param("a: b: c\n", "m0.yaml:1:5: found mapping values are not allowed here", id="colon"),
        pytest.param(b"a: \xff\n", "m0.yaml:1:4: found bytes that are not UTF-8, expected UTF-8 text", id="latin-1"),
        pytest.param("a: b\n".encode("utf-16"), "expected UTF-8 text (it seems to be UTF-16)", id="utf-16"),
        pytest.param("a: b\x01\n", "m0.yaml:1:5: found a control character", id="control"),
        pytest.param("a: " + "[" * 1000, "found more than 64 levels of nesting", id="deep"),
        pytest.param("properties: &a [*a]", "found an alias within its own anchor", id="recursive"),
        pytest.param("a: *s3cret", "found undefined alias, expected YAML (an alias needs its anchor", id="alias"),
        pytest.param("name: !!python/object:os.system x", "found a YAML tag, expected a value without a tag", id="tag"),
        pytest.param("? [a, b]\n: c", "found a mapping or list as a key", id="complex-key"),
        pytest.param("<<: 5\nname: x", "found a merge key (<<) without a mapping", id="merge-of-a-scalar"),
        pytest.param("%YAML 9.9\n---\nname: a", "m0.yaml:1:1: found incompatible YAML document", id="future-yaml"),
        pytest.param("", "m0.yaml:1:1: found no document, expected at least one manifest", id="empty"),
        pytest.param("# nothing\n---\n", "found no document, expected at least one manifest", id="comments"),
        pytest.param("foo: 1", "found a mapping of foo, expected properties (a Container App)", id="unknown"),
        pytest.param("services: {}", "found a Compose file", id="compose"),
        pytest.param("componentType: pubsub.redis", "Dapr is not supported yet", id="dapr-component"),
        pytest.param("type: Microsoft.App/jobs\nname: a", "jobs are not supported yet", id="job"),
        pytest.param("kind: ScaledJob\napiVersion: keda.sh/v1alpha1", "jobs are not supported yet", id="scaled-job"),
        pytest.param(
            "kind: ScaledObjct\napiVersion: keda.sh/v1alpha1", "did you mean ScaledObject?", id="misspelt-kind"
        ),
        pytest.param("kind: ScaledObject\napiVersion: keda.sh/v1", "expected keda.sh/v1alpha1", id="other-version"),
        pytest.param("kind: ScaledObject", "apiVersion: found nothing, expected keda.sh/v1alpha1", id="no-version"),
    ],
)
def test_a_text_that_is_no_manifest_is_explained(manifests: Loader, text: str | bytes, expected: str) -> None:
    lines = manifests.lines(text)
    assert any(expected in line for line in lines), lines


def test_an_empty_file_beside_others_is_a_warning(manifests: Loader) -> None:
    loaded = manifests.load(manifests.ruled(), "# later\n")
    assert [str(warning).split(": ", 1)[1] for warning in loaded.warnings] == [
        "warning: found no document, expected a manifest (the file is ignored)"
    ]
    assert [problem.found for problem in manifests.problems(manifests.ruled(), "", strict=True)] == ["no document"]


def test_several_documents_empty_ones_between_them(manifests: Loader) -> None:
    text = f"---\n# first\n---\n{manifests.ruled(name='a')}---\n---\n{manifests.ruled(name='b')}...\n---\n"
    assert [workload.name for workload in manifests.load(text).workloads] == ["a", "b"]


def test_a_broken_document_does_not_hide_the_problems_of_the_others(manifests: Loader) -> None:
    text = "a: [\n---\nkind: ScaledJob\napiVersion: keda.sh/v1alpha1\n---\nb: 'x\n--- \nfoo: 1\n"
    assert [line.split(": ")[0] for line in manifests.lines(text)] == [
        "m0.yaml:2:1",
        "m0.yaml:3:7",
        "m0.yaml:6:4",
        "m0.yaml:8:1",
    ]


def test_anchors_and_merge_keys_work(manifests: Loader) -> None:
    text = """\
name: worker
properties:
  template:
    containers:
    - &main
      image: busybox
      command: &command [sh]
      args: *command
    scale:
      <<: [{minReplicas: 2, maxReplicas: 3}, {minReplicas: 1, pollingInterval: 1}]
      maxReplicas: 7
"""
    workload = manifests.one(text)
    assert (workload.policy.min_replicas, workload.policy.max_replicas, workload.polling_interval_s) == (2, 7, 1.0)
    assert workload.target.containers[0].args == ("sh",)


def test_a_problem_in_merged_content_stands_where_it_was_written(manifests: Loader) -> None:
    text = manifests.app("\n      <<:\n        minReplicas: many")
    line = "m0.yaml:10:22: properties.template.scale.minReplicas: found 'many', expected an integer"
    assert line in manifests.lines(text)


def test_a_yaml_bomb_is_stopped(manifests: Loader) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    merge_bomb = "a0: &a0 {k: v}\n" + "".join(
        f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    started = time.process_time()
    for text in (bomb, merge_bomb):
        assert "found aliases within aliases" in manifests.lines(text)[0]
    assert time.process_time() - started < 20


def test_a_file_of_ten_megabytes_is_refused_at_once(manifests: Loader) -> None:
    started = time.process_time()
    assert "found a larger file, expected at most 1 MiB" in manifests.lines("# x\n" * 2_600_000)[0]
    assert time.process_time() - started < 10


def test_more_documents_than_anyone_writes_are_refused_at_once(manifests: Loader) -> None:
    assert "found 20000 documents, expected at most 10000 in a file" in manifests.lines("---\na\n" * 20_000)[0]


def test_five_hundred_apps_load_in_seconds(manifests: Loader) -> None:
    started = time.process_time()
    text = "---\n".join(manifests.ruled(name=f"app-{number}") for number in range(500))
    assert len(manifests.load(text).workloads) == 500
    assert time.process_time() - started < 30


def test_a_byte_order_mark_and_windows_lines_do_not_matter(manifests: Loader) -> None:
    assert manifests.one("\ufeff" + manifests.ruled().replace("\n", "\r\n")).name == "worker"


def test_json_is_yaml(manifests: Loader) -> None:
    text = '{"name": "a", "properties": {"template": {"containers": [{"image": "b"}], "scale": {"minReplicas": 1}}}}'
    assert manifests.one(text).policy.min_replicas == 1


def test_truth_values_are_those_of_yaml_1_1_and_texts_stay_as_written(manifests: Loader) -> None:
    text = manifests.ruled(
        "{type: queue, metadata: {queueName: yes, address: 1.10}}",
        container="args: [yes, 1.10, 0x1F, 2020-01-01, null-ish, on]",
    )
    workload = manifests.one(text)
    assert workload.triggers[0].config.queue_name == "yes"
    assert workload.triggers[0].config.address == "1.10"
    assert workload.target.containers[0].args == ("yes", "1.10", "0x1F", "2020-01-01", "null-ish", "on")
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nimmutable: yes\n"
    assert manifests.load(manifests.ruled(), config_map).warnings == ()


def test_what_cannot_be_read_is_explained(manifests: Loader) -> None:
    folder = manifests.folder / "folder"
    folder.mkdir()
    (folder / "dangling.yaml").symlink_to("nowhere")
    (manifests.folder / "empty").mkdir()
    paths = [manifests.folder / "missing.yaml", folder, manifests.folder / "empty"]
    with pytest.raises(InvalidManifest) as caught:
        load(paths, scalers=manifests.scalers, environ={})
    assert [(problem.location.file, problem.found) for problem in caught.value.problems] == [
        (str(paths[0]), "No such file or directory"),
        (str(folder / "dangling.yaml"), "No such file or directory"),
        (str(paths[2]), "no manifest in the folder"),
    ]


def test_what_is_no_regular_file_is_refused_instead_of_waited_for(manifests: Loader) -> None:
    pipe = manifests.folder / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(InvalidManifest) as caught:
            load([path], scalers=manifests.scalers, environ={})
        assert [problem.found for problem in caught.value.problems] == ["a pipe, socket or device"]
    (problem,) = manifests.problems(manifests.ruled(configuration="{secrets: [{name: a, value: '${file:pipe.yaml}'}]}"))
    assert problem.found == "a pipe, socket or device"


def test_a_folder_gives_its_yaml_files_in_order(manifests: Loader) -> None:
    for name in ("b.yaml", "a.yml", "c.txt"):
        (manifests.folder / name).write_text(manifests.ruled(name=name[0]))
    (manifests.folder / "sub").mkdir()
    (manifests.folder / "sub" / "d.yaml").write_text(manifests.ruled(name="d"))
    loaded = load([manifests.folder, manifests.folder / "a.yml"], scalers=manifests.scalers, environ={})
    assert [workload.name for workload in loaded.workloads] == ["a", "b"]
    assert loaded.files == (manifests.folder, manifests.folder / "a.yml", manifests.folder / "b.yaml")
