"""Go templates, case by case, against what text/template and Sprig document."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog.language.go_template import TemplateError, render

VALUES = {
    "Values": {"name": "web", "count": "3", "public": "true", "empty": "", "note": 'it\'s <b> & "q"'},
    "Stack": {"Name": "shop"},
    "list": ["a", "b", "c"],
    "numbers": [3, 1, 2],
    "map": {"z": 1, "a": 2},
    "yes": True,
    "no": False,
    "zero": 0,
    "half": 0.5,
    "none": [],
    "nothing": None,
    "deep": {"er": {"est": "gold"}},
}

CASES: dict[str, list[tuple[str, str]]] = {
    "text and markers": [
        ("plain } text { 100%", "plain } text { 100%"),
        ("", ""),
        ("a {{- .Values.name -}} b", "awebb"),
        ("a \n\t{{- .Values.name }} b", "aweb b"),
        ("a {{ .Values.name -}} \n b", "a webb"),
        ("{{- 3 -}}", "3"),
        ("{{-3}}", "-3"),
        ("{{3 -}} x", "3x"),
        ("a{{/* a comment }} */}}b", "ab"),
        ("a {{- /* trimmed\nboth ways */ -}} b", "ab"),
        ("{{\n.Values.name\n}}", "web"),
        ("{{`raw }} \\n`}}", "raw }} \\n"),
    ],
    "literals": [
        (r'{{"tab\tquote\" \x41 \u00e9 \101"}}', 'tab\tquote" A é A'),
        ("{{'a'}} {{'\\n'}}", "97 10"),
        ("{{0x1F}} {{0b101}} {{0o17}} {{017}} {{1_000}}", "31 5 15 15 1000"),
        ("{{1.5}} {{1e3}} {{1e21}} {{0.00001}} {{-2.50}}", "1.5 1000 1e+21 1e-05 -2.5"),
        ("{{true}} {{false}}", "true false"),
        ("{{print nil}}", "<nil>"),
    ],
    "fields and variables": [
        ("{{.Values.name}}", "web"),
        ("{{.deep.er.est}}", "gold"),
        ("{{.missing}} {{.missing.deeper}} {{.nothing}}", "<no value> <no value> <no value>"),
        ("{{(.deep).er.est}} {{(index .deep \"er\").est}}", "gold gold"),
        ("{{$.Values.name}} {{with .deep}}{{$.Values.name}}{{end}}", "web web"),
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$m := .deep}}{{$m.er.est}}", "gold"),
        ("{{if $n := len .list}}{{$n}}{{end}}", "3"),
    ],
    "if": [
        ("{{if .yes}}A{{end}}", "A"),
        ("{{if .no}}A{{else}}B{{end}}", "B"),
        ("{{if .no}}A{{else if .yes}}B{{else}}C{{end}}", "B"),
        ("{{if .no}}A{{else if .zero}}B{{else}}C{{end}}", "C"),
        (
            ("{{if .zero}}1{{end}}{{if .none}}2{{end}}{{if .nothing}}3{{end}}"
            "{{if .Values.empty}}4{{end}}{{if .gone}}5{{end}}"),
            "",
        ),
        ("{{if .half}}1{{end}}{{if .list}}2{{end}}{{if .map}}3{{end}}{{if .Values.name}}4{{end}}", "1234"),
        ("{{if (eq .Values.public \"true\")}}A{{end}}", "A"),
    ],
    "with": [
        ("{{with .Values.name}}[{{.}}]{{end}}", "[web]"),
        ("{{with .Values.empty}}[{{.}}]{{else}}none{{end}}", "none"),
        ("{{with $x := .deep.er}}{{.est}} {{$x.est}}{{end}}", "gold gold"),
        ("{{with .none}}A{{else with .Values.name}}{{.}}{{end}}", "web"),
    ],
    "range": [
        ("{{range .list}}{{.}},{{end}}", "a,b,c,"),
        ("{{range $e := .list}}{{$e}},{{end}}", "a,b,c,"),
        ("{{range $i, $e := .list}}{{$i}}{{$e}},{{end}}", "0a,1b,2c,"),
        ("{{range $k, $v := .map}}{{$k}}={{$v}};{{end}}", "a=2;z=1;"),
        ("{{range .map}}{{.}}{{end}}", "21"),
        ("{{range .none}}A{{else}}empty{{end}}{{range .nothing}}A{{else}}nil{{end}}", "emptynil"),
        ("{{range 3}}{{.}}{{end}} {{range $i := 2}}{{$i}}{{end}}", "012 01"),
        ("{{range .list}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
        ("{{range .list}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"),
        (
            "{{range $i, $_ := .list}}{{range $.numbers}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}};{{end}}",
            "32;32;32;",
        ),
        ("{{$last := \"\"}}{{range .list}}{{$last = .}}{{end}}{{$last}}", "c"),
        ("{{$i := 0}}{{$e := \"\"}}{{range $i, $e = .list}}{{end}}{{$i}}{{$e}}", "2c"),
    ],
    "pipelines": [
        ("{{.Values.name | upper}}", "WEB"),
        ("{{.Values.name | printf \"%s-%s\" \"a\"}}", "a-web"),
        ("{{\"output\" | printf \"%s\" | printf \"%q\"}}", '"output"'),
        ("{{printf \"%d %s\" (len .list) (.Values.name | upper)}}", "3 WEB"),
        ("{{with $x := \"output\" | printf \"%q\"}}{{$x}}{{end}}", '"output"'),
    ],
    "logic": [
        ("{{and .yes .Values.name}} {{and .zero (fail \"not reached\")}}", "web 0"),
        ("{{or .zero .Values.name}} {{or .Values.name (fail \"not reached\")}} {{or .zero .no}}", "web web false"),
        ("{{not .yes}} {{not .none}}", "false true"),
        ("{{true | and .yes}} {{.Values.name | or .zero}}", "true web"),
        ("{{if and (eq .Values.name \"web\") (ne .Values.count \"2\")}}A{{end}}", "A"),
    ],
    "comparison": [
        ("{{eq 1 1}} {{eq \"a\" \"b\" \"a\"}} {{eq 1 2 3}}", "true true false"),
        ("{{ne \"a\" \"b\"}} {{ne true true}}", "true false"),
        ("{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 1.5}}", "true true true true"),
        ("{{eq .gone \"x\"}} {{ne .gone \"x\"}}", "false true"),
    ],
    "built-in functions": [
        ("{{len .Values.name}} {{len \"é\"}} {{len .list}} {{len .map}}", "3 2 3 2"),
        ("{{index .list 1}} {{index .map \"z\"}} {{index .deep \"er\" \"est\"}} {{index \"abc\" 0}}", "b 1 gold 97"),
        ("[{{index .Values \"gone\"}}]", "[]"),
        ("{{slice \"abcd\" 1 3}} {{slice .list 1}} {{slice \"ab\"}}", "bc [b c] ab"),
        ("{{html .Values.note}}", "it&#39;s &lt;b&gt; &amp; &#34;q&#34;"),
        ("{{js .Values.note}}", "it\\'s \\u003Cb\\u003E \\u0026 \\\"q\\\""),
        ("{{urlquery \"a b&c=é/\"}}", "a+b%26c%3D%C3%A9%2F"),
        ("{{print 1 2 \"a\" 3 4}}", "1 2a3 4"),
        ("{{println \"a\" 1}}", "a 1\n"),
        ("{{.list}} {{.map}} {{.numbers}}", "[a b c] map[a:2 z:1] [3 1 2]"),
    ],
    "printf": [
        ("{{printf \"%s %v %d %t\" \"a\" .list 7 true}}", "a [a b c] 7 true"),
        ("{{printf \"%5d|%-5d|%05d|%+d\" 42 42 -42 42}}", "   42|42   |-0042|+42"),
        ("{{printf \"%6.2f|%e|%g\" 3.14159 1234.5 0.1}}", "  3.14|1.234500e+03|0.1"),
        ("{{printf \"%x %X %o %b %c %U\" 255 255 8 5 65 233}}", "ff FF 10 101 A U+00E9"),
        ("{{printf \"%x|%8s|%-4s|%.2s\" \"hi\" \"abc\" \"ab\" \"abcdef\"}}", "6869|     abc|ab  |ab"),
        ("{{printf \"%d%%\" 50}}", "50%"),
        ("{{printf \"%d\" \"x\"}}", "%!d(string=x)"),
        ("{{printf \"%d %s\" 1}}", "1 %!s(MISSING)"),
        ("{{printf \"%d\" 1 \"x\"}}", "1%!(EXTRA string=x)"),
        ("{{printf \"%T %T %T\" 1 \"a\" .list}}", "int string []interface {}"),
        ("{{printf \"%*d|%q\" 4 7 'x'}}", "   7|'x'"),
        ("{{printf \"%\"}}", "%!(NOVERB)"),
    ],
    "templates": [
        ('{{define "T"}}<{{.}}>{{end}}{{template "T" .Values.name}}', "<web>"),
        ('{{template "T"}}{{define "T"}}late{{.}}{{end}}', "late<no value>"),
        ('{{block "B" .list}}{{range .}}{{.}}{{end}}{{end}}', "abc"),
        ('{{define "B"}}other{{end}}{{block "B" .}}own{{end}}', "own"),
        ('{{define "down"}}{{.}}{{if gt . 0}}{{template "down" (sub . 1)}}{{end}}{{end}}{{template "down" 3}}', "3210"),
        ('{{define "T"}}{{$.est}}{{end}}{{template "T" .deep.er}}', "gold"),
    ],
    "what catalogs use": [
        ("{{range splitPreserveQuotes `--a \"b c\" d`}}[{{.}}]{{end}}", '[--a]["b c"][d]'),
        ("{{range $i := until (atoi .Values.count)}}{{$i}}{{end}}", "012"),
        ("{{contains \"eb\" .Values.name}} {{contains \"x\" .Values.name}}", "true false"),
        ("{{atoi \"12\"}} {{atoi \"x\"}} {{atoi \"0x1\"}} {{atoi \"-7\"}}", "12 0 0 -7"),
        ("{{.Stack.Name}}/web", "shop/web"),
        ("a:\n{{- if eq .Values.public \"true\"}}\n  - b\n{{- end}}\n", "a:\n  - b\n"),
    ],
    "texts": [
        ("{{.Values.empty | default \"x\"}} {{\"y\" | default \"x\"}} {{default \"x\" .gone}}", "x y x"),
        ("{{empty .none}} {{empty \"a\"}} {{coalesce 0 \"\" \"c\"}} {{ternary \"a\" \"b\" true}}", "true false c a"),
        (
            "[{{trim \"  a \"}}] {{upper \"a\"}} {{lower \"A\"}} {{title \"ab cd\"}} {{untitle \"Ab\"}}",
            "[a] A a Ab Cd ab",
        ),
        (
            "{{trimSuffix \"-\" \"a-\"}} {{trimPrefix \"v\" \"v1\"}} {{trimAll \"$\" \"$5$\"}} {{nospace \"a b\"}}",
            "a 1 5 ab",
        ),
        (
            "{{replace \"a\" \"b\" \"banana\"}} {{repeat 3 \"ab\"}} {{trunc 2 \"abc\"}} {{trunc -2 \"abc\"}}",
            "bbnbnb ababab ab bc",
        ),
        ("{{substr 1 3 \"abcd\"}} {{abbrev 5 \"abcdefg\"}} {{initials \"ab cd\"}}", "bc ab... ac"),
        ("{{hasPrefix \"a\" \"abc\"}} {{hasSuffix \"a\" \"abc\"}}", "true false"),
        ("{{quote \"a\" 1 nil}} {{squote \"a\"}} {{cat \"a\" 1}}", "\"a\" \"1\" 'a' a 1"),
        ("{{indent 2 \"a\\nb\"}}|{{nindent 1 \"a\"}}", "  a\n  b|\n a"),
        (
            ("{{join \",\" .list}} {{splitList \",\" \"a,b\"}} {{(split \",\" \"a,b\")._1}}"
            " {{(splitn \",\" 2 \"a,b,c\")._1}}"),
            "a,b,c [a b] b b,c",
        ),
        ("{{b64enc \"hi\"}} {{b64dec \"aGk=\"}}", "aGk= hi"),
        ("{{sha256sum \"\"}}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            "{{snakecase \"someName\"}} {{kebabcase \"someName\"}} {{swapcase \"aB\"}} {{plural \"one\" \"many\" 2}}",
            "some_name some-name Ab many",
        ),
        ("{{toString 5}}{{toStrings .numbers}}", "5[3 1 2]"),
    ],
    "numbers": [
        ("{{add 1 2 3}} {{sub 5 2}} {{mul 2 3 4}} {{div -7 2}} {{mod -7 2}} {{add1 1}}", "6 3 24 -3 -1 2"),
        ("{{add \"3\" 1}} {{int \"12\"}} {{int 3.9}} {{float64 \"1.5\"}} {{int \"x\"}}", "4 12 3 1.5 0"),
        ("{{max 1 3 2}} {{min 2 1}} {{floor 1.7}} {{ceil 1.2}} {{round 2.345 2}}", "3 1 1 2 2.35"),
        ("{{until 3}} {{untilStep 1 6 2}} {{until -2}} {{seq 3}} {{seq 1 2 5}}", "[0 1 2] [1 3 5] [0 -1] 1 2 3 1 3 5"),
        ("{{mul 9223372036854775807 2}} {{add 9223372036854775807 1}}", "-2 -9223372036854775808"),
    ],
    "lists and maps": [
        ("{{list 1 \"a\"}} {{first .list}} {{last .list}} {{rest .list}} {{initial .list}}", "[1 a] a c [b c] [a b]"),
        ("{{append .list \"d\"}} {{prepend .list \"x\"}} {{concat .list .list}}", "[a b c d] [x a b c] [a b c a b c]"),
        (
            ("{{reverse .list}} {{sortAlpha (list \"b\" \"a\")}} {{uniq (list 1 \"1\" 1)}}"
            " {{compact (list \"\" \"a\" 0)}}"),
            "[c b a] [a b] [1 1] [a]",
        ),
        ("{{has \"a\" .list}} {{has 1 .list}} {{without .list \"b\"}}", "true false [a c]"),
        (
            "{{$d := dict \"a\" 1 \"b\"}}{{$d}} {{get $d \"a\"}} [{{get $d \"x\"}}] {{hasKey $d \"a\"}} {{keys $d}}",
            "map[a:1 b:] 1 [] true [a b]",
        ),
        ("{{$d := dict \"a\" 1}}{{$_ := set $d \"b\" 2}}{{$_ := unset $d \"a\"}}{{$d}}", "map[b:2]"),
        (
            ("{{pick .map \"a\"}} {{omit .map \"a\"}} {{merge (dict \"a\" 9) .map}} {{pluck \"a\" .map}}"
            " {{values .map}}"),
            "map[a:2] map[z:1] map[a:9 z:1] [2] [2 1]",
        ),
        ("{{toJson .map}} {{toJson \"<a>\"}}", '{"a":2,"z":1} "\\u003ca\\u003e"'),
        (
            ("{{kindOf .list}} {{kindIs \"string\" \"a\"}} {{typeOf .map}} {{typeIs \"int\" 1}}"
            " {{deepEqual .list .list}}"),
            "slice true map[string]interface {} true true",
        ),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "expected"),
    [case for cases in CASES.values() for case in cases],
    ids=lambda text: text[:50] or "empty",
)
def test_a_template_renders_as_go_documents_it(template: str, expected: str) -> None:
    assert render(template, VALUES) == expected


REFUSED: list[tuple[str, int, int, str]] = [
    ("{{.Values.name", 1, 1, "not closed"),
    ("a\n  {{/* open", 2, 5, "not closed"),
    ("{{/* a */ x}}", 1, 8, "right before"),
    ("{{}}", 1, 1, "empty"),
    ("{{if .yes}}A", 1, 1, "if is not closed"),
    ("{{if}}A{{end}}", 1, 1, "value is missing"),
    ("{{end}}", 1, 3, "belongs to no block"),
    ("{{if .yes}}{{else}}{{else}}{{end}}", 1, 22, "belongs to no block"),
    ("{{range .list}}{{else if .yes}}{{end}}", 1, 23, "cannot follow else"),
    ("{{if .yes}}{{end .no}}", 1, 18, "nothing can follow end"),
    ("{{break}}", 1, 3, "inside range"),
    ("{{\n nope 1}}", 2, 2, "nope is not known"),
    ("{{now}}", 1, 3, "not available"),
    ("{{env \"HOME\"}}", 1, 3, "not available"),
    ("{{$x}}", 1, 3, "$x is not defined"),
    ("{{$x = 1}}", 1, 3, "$x is not defined"),
    ("{{if .yes}}{{$x := 1}}{{end}}{{$x}}", 1, 32, "$x is not defined"),
    ("{{define \"T\"}}{{$y}}{{end}}{{$y := 1}}", 1, 17, "$y is not defined"),
    ("{{nil}}", 1, 3, "nil is not a command"),
    ("{{1 2}}", 1, 3, "no arguments"),
    ("{{.Values.name 1}}", 1, 3, "no arguments"),
    ("{{.Values.name | 1}}", 1, 18, "cannot take the value"),
    ("{{(.yes}}", 1, 3, "parenthesis is not closed"),
    ("{{.yes)}}", 1, 7, "unexpected )"),
    ("{{\"a\"upper}}", 1, 6, "a space is missing"),
    ("{{\"open}}", 1, 3, "quotes is not closed"),
    ("{{\"\\z\"}}", 1, 3, "not an escape"),
    ("{{'ab'}}", 1, 3, "one character"),
    ("{{99999999999999999999}}", 1, 3, "64 bits"),
    ("{{12abc}}", 1, 3, "not a number"),
    ("{{.Values ! 1}}", 1, 11, "cannot stand here"),
    ("{{template \"T\"}}", 1, 1, "'T' is not defined"),
    ("{{template T}}", 1, 3, "in quotes"),
    ("{{if .yes}}{{define \"T\"}}{{end}}{{end}}", 1, 14, "in no other block"),
    ("{{.Values.name.x}}", 1, 3, "has no field 'x'"),
    ("{{eq 1 \"1\"}}", 1, 3, "cannot be compared"),
    ("{{eq .yes \"true\"}}", 1, 3, "cannot be compared"),
    ("{{eq 1}}", 1, 3, "at least 2 arguments"),
    ("{{lt 1 2.5}}", 1, 3, "have no order"),
    ("{{lt .list .list}}", 1, 3, "have no order"),
    ("{{len 3}}", 1, 3, "has no length"),
    ("{{index .list 3}}", 1, 3, "out of range"),
    ("{{index .list \"a\"}}", 1, 3, "needs an integer"),
    ("{{slice \"abc\" 2 1}}", 1, 3, "not inside"),
    ("{{upper 5}}", 1, 3, "needs a text"),
    ("{{upper}}", 1, 3, "takes 1 argument"),
    ("{{until \"3\"}}", 1, 3, "needs an integer"),
    ("{{div 1 0}}", 1, 3, "divide by 0"),
    ("{{b64dec \"?\"}}", 1, 3, "not base64"),
    ("{{ternary 1 2 \"true\"}}", 1, 3, "must be a bool"),
    ("{{fail \"choose one\"}}", 1, 3, "choose one"),
    ("{{call .Values.name}}", 1, 3, "no function"),
    ("{{range .Values.name}}{{end}}", 1, 1, "cannot go through"),
    ("{{range $a, $b := 3}}{{end}}", 1, 1, "cannot go through"),
    ("{{range $a, $b, $c := .list}}{{end}}", 1, 9, "at most two"),
    ("{{$a, $b := .list}}", 1, 3, "one variable"),
    ("{{true.x}}", 1, 3, "has no fields"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "line", "column", "words"), REFUSED, ids=[case[0][:40] for case in REFUSED])
def test_what_is_wrong_is_refused_with_its_place(template: str, line: int, column: int, words: str) -> None:
    with pytest.raises(TemplateError) as refusal:
        render(template, VALUES)
    assert words in refusal.value.reason
    assert (refusal.value.line, refusal.value.column) == (line, column)
    assert str(refusal.value).startswith(f"line {line}, column {column}: ")


BOMBS: dict[str, str] = {
    "endless recursion": '{{define "T"}}{{template "T" .}}{{end}}{{template "T" .}}',
    "a range of a billion": "{{range 1000000000}}{{end}}",
    "ranges within ranges": "{{range until 9999}}{{range until 9999}}x{{end}}{{end}}",
    "a text that doubles": '{{$s := "xxxxxxxxxxxxxxxx"}}{{range until 40}}{{$s = print $s $s}}{{end}}',
    "a list that doubles": "{{$l := list 1}}{{range until 40}}{{$l = list $l $l}}{{end}}{{$l}}",
    "a map that doubles": "{{$d := dict}}{{range $i := until 99}}{{$_ := set $d (toString $i) $d}}{{end}}{{$d}}",
    "a list in lists": "{{$l := list 1}}{{range until 9999}}{{$l = list $l}}{{end}}{{$l}}{{toJson $l}}",
    "a long repetition": '{{repeat 2000000000 "x"}}',
    "a large replacement": '{{replace "x" (repeat 2000 "y") (repeat 2000 "x")}}',
    "a wide field": '{{range until 200}}{{printf "%9999d%9999d" 1 2}}{{end}}',
    "deep indentation": '{{indent 1000000 (repeat 1000 "a\\n")}}',
    "long joins": '{{join (repeat 1000 "x") (until 9999)}}',
    "many numbers": "{{until 10001}}",
    "numbers that never end": "{{untilStep 0 9223372036854775807 1}}",
    "deep parentheses": "{{" + "(" * 500 + "1" + ")" * 500 + "}}",
    "deep blocks": "{{if .yes}}" * 500 + "{{end}}" * 500,
    "else after else": "{{if .no}}" + "{{else if .no}}" * 5000 + "{{end}}",
    "work on long texts": '{{$s := repeat 500000 "a"}}{{range until 9999}}{{$_ := upper $s}}{{end}}',
    "a long number": "{{" + "1" * 200_000 + "x}}",
    "many variables": "".join(f"{{{{$a{at} := 1}}}}" for at in range(300)),
    "a large source": "x" * (256 * 1024 + 1),
    "a large result": "{{range until 9999}}" + "x" * 200 + "{{end}}",
}


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS.keys())
def test_a_template_that_does_not_end_is_stopped(template: str) -> None:
    with pytest.raises(TemplateError, match=r"steps|larger|deep|at most|not a number|more than"):
        render(template, VALUES)


def test_values_of_other_types_become_texts_and_are_not_changed() -> None:
    values: dict[str, Any] = {"a": (1, 2), "b": {3: object}, "d": {"x": 1}}
    assert render('{{.a}} {{$_ := set .d "y" 2}}{{.d}}', values) == "[1 2] map[x:1 y:2]"
    assert "class" in render("{{.b}}", values)
    assert values["d"] == {"x": 1}


def test_missing_values_are_written_as_the_caller_wants() -> None:
    assert render("[{{.gone}}] {{print .gone}}", {}, missing="") == "[] <nil>"


def test_what_comes_of_values_is_escaped_and_the_rest_is_not() -> None:
    rendered = render('$a {{.v}} {{"$b"}} {{upper .v}}', {"v": "x$y"}, escape=lambda text: text.replace("$", "$$"))
    assert rendered == "$a x$$y $b X$$Y"
