"""Go's template language (https://pkg.go.dev/text/template), with the functions Ollama adds.

    parse(text) ──► tokens.py ──► parser.py ──► nodes.py ──► Template
    Template.execute(data) ──► execution.py ──► functions.py, printing.py, go_json.py ──► text

Pure, and safe on hostile texts: reading and executing are bounded in steps, depth and output.
"""

from paddock.errors import TemplateError
from paddock.gotemplate.budget import Budget
from paddock.gotemplate.go_json import JsonList, JsonMap, JsonStruct, OneOrMany
from paddock.gotemplate.template import Template, parse
from paddock.gotemplate.values import Field, Kind, Stringer, Struct

__all__ = [
    "Budget",
    "Field",
    "JsonList",
    "JsonMap",
    "JsonStruct",
    "Kind",
    "OneOrMany",
    "Stringer",
    "Struct",
    "Template",
    "TemplateError",
    "parse",
]
