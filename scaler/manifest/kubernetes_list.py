"""A `kind: List`, in which kubectl prints several objects, becomes documents."""

from __future__ import annotations

from typing import Annotated, Any

from scaler.manifest.checking import check
from scaler.manifest.fields import DocumentModel, Ignored, Needed, Text, Unused
from scaler.manifest.located import Document, Mapping, Sequence
from scaler.manifest.problems import Report


class KubernetesList(DocumentModel):
    """What stands around the objects; `kubectl get` calls a list of any objects a `List`."""

    api_version: Annotated[Text | None, Needed()] = None
    kind: Text | None = None
    metadata: Annotated[Unused, Ignored("the Kubernetes API server writes it", quiet=True)] = None
    items: Annotated[list[Any] | None, Needed("a list of objects")] = None


def items_of(report: Report) -> list[Document] | None:
    """Return a list's objects, each with its own position; None when the document is no list."""
    data = report.document.data
    if not isinstance(data, Mapping) or data.get("kind") != "List":
        return None
    check(report, KubernetesList, data)
    items = data.get("items")
    if not isinstance(items, Sequence):
        return []
    if not items:
        report.warn(("items",), "at least one object", found="an empty list", hint="the list is ignored")
    document = report.document
    return [
        Document(document.file, document.above + line, column, item, document.above)
        for (line, column), item in zip(items.items_at, items, strict=True)
    ]
