"""A bucket's lifecycle configuration as XML, read and written with all that stands in it. Pure."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from engine.model import LifecycleConfiguration, Node
from engine.s3 import xml
from engine.s3.request_xml import NAMESPACE, escape

LEAST_SIZE = "x-amz-transition-default-minimum-object-size"
"""The header that belongs to it: a PUT without sets it back (API reference, PutBucketLifecycleConfiguration)."""


def lifecycle_configuration(document: xml.Document, least_size: str) -> LifecycleConfiguration:
    return LifecycleConfiguration(tuple(map(_node, document.element)), least_size)


def _node(element: Element) -> Node:
    """White space between children is nobody's."""
    children = tuple(map(_node, element))
    return Node(xml.local(element.tag), "" if children else element.text or "", children)


def lifecycle_xml(configuration: LifecycleConfiguration) -> bytes:
    rules = "".join(map(_element, configuration.rules))
    return f'<LifecycleConfiguration xmlns="{NAMESPACE}">{rules}</LifecycleConfiguration>'.encode()


def _element(node: Node) -> str:
    return f"<{node.name}>{escape(node.text)}{''.join(map(_element, node.children))}</{node.name}>"
