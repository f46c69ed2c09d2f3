"""Registry files: what is read of a right one, and the exact line for everything that can be wrong with one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from payk.registry.errors import RegistryFileError
from payk.registry.file import RegistryFile, load, read

KEY = "00000000-0000-4000-8000-000000000001"
OTHER_KEY = "00000000-0000-4000-8000-000000000002"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
NAME_RULE = "write 1 to 64 characters, without blanks at the ends"
SENDER_RULE = "write 1 to 15 printable ASCII characters without @, and without blanks at the ends"
KEY_RULE = "write a key of 32 to 255 visible ASCII characters, such as a UUID"
HOST_RULE = "write a host name or an IP address; the port is a key of its own"
TYPE_RULE = 'write 1 or "common", 2 or "otp", 3 or "batch", or "" for none'
PASSWORD_RULE = 'write at most 64 printable ASCII characters in quotes, or {env = "NAME"}'
PREFIX_RULE = 'write at most 15 digits in quotes, such as "992", or "" for every number'
CODE_RULE = "write a number from 0 to 255, or in hex from 0x00 to 0xff"


def written(tmp_path: Path, text: str, **environ: str) -> RegistryFile:
    path = tmp_path / "registry.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ)


def client(rest: str) -> str:
    return f'[[client]]\nname = "demo"\n{rest}'


def link(rest: str) -> str:
    return f'[[operator]]\nname = "tcell"\n[[operator.link]]\n{rest}'


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        f"""
        [[client]]
        name = "demo"
        api_keys = ["{KEY}"]
        senders = ["AlifBank", "Olami Ashyo"]
        default_sms_type = 1
        default_country = "992"
        bulk = "all-or-nothing"
        [[operator]]
        name = "tcell"
          [[operator.link]]
          host = "127.0.0.1"
          port = 2775
          system_id = "payk"
          password = {{env = "TCELL_PASSWORD"}}
          bind = "transceiver"
          binds = 1
          window = 100
          rate = 0
          uncertain = {{otp = "resend", common = "resend", batch = "hold"}}
          [[operator.link]]
          name = "reserve"
          password = "secret"
          interface_version = 0x50
          ton_npi = {{alnum = [5, 1]}}
          charset_map = {{3 = "latin1", 0x00 = "gsm", 2 = "ucs2"}}
          status_classes = {{0x45 = "temporary", 1029 = "permanent_config"}}
          priority_map = {{otp = 3}}
          receipt_timezone = "Asia/Dushanbe"
          tls = {{ca = "/etc/ssl/tcell.pem"}}
        [[route]]
        prefix = "992"
        operators = ["tcell"]
        """,
        TCELL_PASSWORD="from outside",
    )
    (demo,) = file.clients
    assert (demo.name, demo.senders) == ("demo", ("AlifBank", "Olami Ashyo"))
    assert [key.digests for key in demo.keys] == [(bytes.fromhex(DIGEST),)]
    assert demo.options == {"default_sms_type": 1, "default_country": "992", "bulk": "all-or-nothing"}
    (tcell,) = file.operators
    first, second = tcell.links
    assert (first.name, first.operator, first.password) == ("tcell-1", "tcell", "from outside")
    assert first.options == {
        "host": "127.0.0.1",
        "port": 2775,
        "system_id": "payk",
        "bind": "transceiver",
        "binds": 1,
        "window": 100,
        "rate": 0.0,
        "uncertain": {"otp": "resend", "common": "resend", "batch": "hold"},
    }
    assert (second.name, second.password) == ("reserve", "secret")
    assert second.options == {
        "interface_version": 0x50,
        "ton_npi": {"alnum": [5, 1], "short": [3, 0], "international": [1, 1], "national": [2, 1]},
        "charset_map": [["3", "latin1"], ["0", "gsm"], ["2", "ucs2"]],
        "status_classes": {"69": "temporary", "1029": "permanent_config"},
        "priority_map": {"otp": 3},
        "receipt_timezone": "Asia/Dushanbe",
        "tls": {"ca": "/etc/ssl/tcell.pem", "certificate": None, "key": None, "verify": True},
    }
    (route,) = file.routes
    assert (route.key.prefix, route.operators, route.options) == ("992", ("tcell",), {})
    assert "secret" not in repr(file)
    assert "from outside" not in repr(file)


def test_links_without_a_name_are_counted_by_place(tmp_path: Path) -> None:
    file = written(tmp_path, link('[[operator.link]]\nname = "x"\n[[operator.link]]\n'))
    assert [link.name for link in file.operators[0].links] == ["tcell-1", "x", "tcell-3"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('default_sms_type = "otp"', {"default_sms_type": 2}),
        ('default_sms_type = "Batch"', {"default_sms_type": 3}),
        ('default_sms_type = ""', {"default_sms_type": None}),
        ('default_country = ""', {"default_country": None}),
        ("max_parts = 255", {"max_parts": 255}),
        ("enabled = false", {"enabled": False}),
    ],
)
def test_settings_of_a_client(tmp_path: Path, text: str, options: dict[str, object]) -> None:
    assert written(tmp_path, client(text)).clients[0].options == options


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("tls = true", {"tls": {"ca": None, "certificate": None, "key": None, "verify": True}}),
        ("tls = false", {"tls": None}),
        ("rate = 30", {"rate": 30.0}),
        ("rate = 0.5", {"rate": 0.5}),
        ('host = "::1"', {"host": "::1"}),
        ('host = "smpp.tcell.tj"', {"host": "smpp.tcell.tj"}),
        ('system_type = ""', {"system_type": ""}),
    ],
)
def test_settings_of_a_link(tmp_path: Path, text: str, options: dict[str, object]) -> None:
    assert written(tmp_path, link(text)).operators[0].links[0].options == options


def test_a_written_empty_list_is_not_an_absent_one(tmp_path: Path) -> None:
    assert written(tmp_path, client("senders = []")).clients[0].senders == ()
    assert written(tmp_path, client("")).clients[0].senders is None


def test_a_revoked_key_may_be_named_by_its_digest(tmp_path: Path) -> None:
    file = written(tmp_path, client(f'revoked_keys = ["{KEY}", "{DIGEST}"]'))
    assert [bytes.fromhex(DIGEST) in key.digests for key in file.clients[0].revoked] == [True, True]


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    assert written(tmp_path, "# nothing yet\n") == RegistryFile(str(tmp_path / "registry.toml"))


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert written(tmp_path, "\ufeff" + client("")).clients[0].name == "demo"


WRONG = [
    # tables
    ("clients = []", 'clients: unknown table; did you mean "client"?'),
    ("[[payk]]", "payk: unknown table; known here: client, operator, route"),
    ("[[link]]", "link: a link stands alone; write [[operator.link]] below its [[operator]]"),
    (
        "[client]\nname = 'x'",
        "client: a table where a list of tables belongs; write [[client]] in two pairs of brackets",
    ),
    ("client = 5", "client: 5 where a list of tables belongs; write [[client]] in two pairs of brackets"),
    ("client = [5]", "client[0]: 5 is not a table; write [[client]] and its keys below"),
    (
        "[[operator]]\nname = 'x'\n[operator.link]",
        "operator[0].link: a table where a list of tables belongs; write [[operator.link]] in two pairs of brackets",
    ),
    # names
    ("[[client]]", "client[0].name: missing; every client needs a name"),
    ("[[operator]]", "operator[0].name: missing; every operator needs a name"),
    ("[[client]]\nname = 5", f"client[0].name: 5 is not text; {NAME_RULE}"),
    ('[[client]]\nname = ""', f'client[0].name: "" does not fit; {NAME_RULE}'),
    ('[[client]]\nname = " x"', f'client[0].name: " x" does not fit; {NAME_RULE}'),
    ('[[client]]\nname = "a\\nb"', f'client[0].name: "a\\nb" does not fit; {NAME_RULE}'),
    (
        '[[client]]\nname = "a"\n[[client]]\nname = "a"',
        'client[1].name: client "a" is already at client[0]; write it once',
    ),
    (
        '[[operator]]\nname = "a"\n[[operator]]\nname = "a"',
        'operator[1].name: operator "a" is already at operator[0]; write it once',
    ),
    (
        '[[operator]]\nname = "a"\n[[operator.link]]\n[[operator]]\nname = "b"\n[[operator.link]]\nname = "a-1"',
        'operator[1].link[0].name: link "a-1" is already at operator[0].link[0]; write it once',
    ),
    # keys of a client
    (client('default_contry = "992"'), 'client[0].default_contry: unknown key; did you mean "default_country"?'),
    (client('"an odd word" = 1'), "known here: api_key_sha256, api_keys, batch_hours, bulk"),
    (client('api_keys = "x"'), 'client[0].api_keys: "x" is not a list; write a list of API keys in brackets: [...]'),
    (client('api_keys = ["too-short-to-be-a-key"]'), f"client[0].api_keys[0]: this does not fit; {KEY_RULE}"),
    (
        client('api_keys = ["with a blank, and long enough to be one"]'),
        f"client[0].api_keys[0]: this does not fit; {KEY_RULE}",
    ),
    (client("api_keys = [5]"), f"client[0].api_keys[0]: this is not text; {KEY_RULE}"),
    (
        client(f'api_keys = ["{KEY}", "{KEY}"]'),
        "client[0].api_keys[1]: the same as client[0].api_keys[0]; name it once",
    ),
    (
        client(f'api_keys = ["{KEY}"]\napi_key_sha256 = ["{DIGEST}"]'),
        "client[0].api_key_sha256[0]: the same key as client[0].api_keys[0]; name it once",
    ),
    (
        client('api_key_sha256 = ["abc"]'),
        "client[0].api_key_sha256[0]: this does not fit; write the SHA-256 of the key as 64 hex digits",
    ),
    (
        client(f'api_keys = ["{KEY}"]\n[[client]]\nname = "other"\napi_keys = ["{KEY}"]'),
        (
            'client[1].api_keys[0]: client "demo" has the same key at client[0].api_keys[0];'
            " give each client keys of its own"
        ),
    ),
    (
        client(f'api_keys = ["{KEY}"]\nrevoked_keys = ["{DIGEST}"]'),
        "client[0].revoked_keys[0]: the same key is in client[0].api_keys[0]; leave it out there",
    ),
    (client("senders = ['x@y']"), f'client[0].senders[0]: "x@y" does not fit; {SENDER_RULE}'),
    (client("senders = ['']"), f'client[0].senders[0]: "" does not fit; {SENDER_RULE}'),
    (client("senders = ['   ']"), f'client[0].senders[0]: "   " does not fit; {SENDER_RULE}'),
    (client("senders = ['Sixteen letters.']"), f'client[0].senders[0]: "Sixteen letters." does not fit; {SENDER_RULE}'),
    (client("senders = ['Пайк']"), f'client[0].senders[0]: "Пайк" does not fit; {SENDER_RULE}'),
    (
        client("senders = ['Payk', 'Other', 'PAYK']"),
        "client[0].senders[2]: the same as client[0].senders[0]; name it once",
    ),
    (client("enabled = 1"), "client[0].enabled: 1 is neither true nor false; write true or false, without quotes"),
    (client("default_sms_type = true"), f"client[0].default_sms_type: true is no SmsType; {TYPE_RULE}"),
    (client("default_sms_type = 4"), f"client[0].default_sms_type: 4 is no SmsType; {TYPE_RULE}"),
    (client("default_sms_type = 'urgent'"), f'client[0].default_sms_type: "urgent" is no SmsType; {TYPE_RULE}'),
    (
        client("default_country = 992"),
        (
            "client[0].default_country: 992 is not text;"
            " write a country code whose national numbers all have one length"
            ' ("7", "992", "993", "996", "998"), or "" for none'
        ),
    ),
    (client("default_country = '0992'"), 'client[0].default_country: "0992" does not fit; '),
    (
        client("repeat_window = -1"),
        "client[0].repeat_window: -1 is out of range; write a whole number of seconds from 0 to 2592000",
    ),
    (client("client_message_id_window = 1.5"), "client[0].client_message_id_window: 1.5 is not a whole number; "),
    (client("bulk = 'all'"), 'client[0].bulk: "all" is not known here; write one of "partial", "all-or-nothing"'),
    (
        client("bulk = 'All-Or-Nothing'"),
        'client[0].bulk: "All-Or-Nothing" is not known here; did you mean "all-or-nothing"?',
    ),
    (client("max_parts = true"), "client[0].max_parts: true is not a whole number; write a whole number from 1 to 255"),
    (client("max_parts = 256"), "client[0].max_parts: 256 is out of range; write a whole number from 1 to 255"),
    (client("max_parts = '5'"), 'client[0].max_parts: "5" is not a whole number; write a whole number from 1 to 255'),
    (
        client("uncertain = 'hold'"),
        'client[0].uncertain: "hold" is not a table; write a table such as {otp = "resend", batch = "hold"}',
    ),
    (client("uncertain = {mass = 'hold'}"), 'client[0].uncertain.mass: "mass" is not known here; '),
    (client("uncertain = {otp = 'send'}"), 'client[0].uncertain.otp: "send" is not known here; did you mean "resend"?'),
    # keys of a link
    (link("windw = 3"), 'operator[0].link[0].windw: unknown key; did you mean "window"?'),
    (link('host = "a b"'), f'operator[0].link[0].host: "a b" does not fit; {HOST_RULE}'),
    (link('host = "tcell.tj:2775"'), f'operator[0].link[0].host: "tcell.tj:2775" does not fit; {HOST_RULE}'),
    (link("port = 0"), "operator[0].link[0].port: 0 is out of range; write a whole number from 1 to 65535"),
    (link('port = "2775"'), 'operator[0].link[0].port: "2775" is not a whole number; '),
    (
        link('system_id = "longer than fifteen"'),
        'operator[0].link[0].system_id: "longer than fifteen" does not fit; write 1 to 15 printable ASCII characters',
    ),
    (link("password = 5"), f"operator[0].link[0].password: this is not text; {PASSWORD_RULE}"),
    (link('password = "пароль"'), f"operator[0].link[0].password: this does not fit; {PASSWORD_RULE}"),
    (
        link('password = {enw = "X"}'),
        'operator[0].link[0].password: this table is not understood; write {env = "NAME"}',
    ),
    (
        link('password = {env = "A B"}'),
        'operator[0].link[0].password.env: "A B" does not fit; write the name of an environment variable',
    ),
    (
        link('password = {env = "TCELL_PASSWORD"}'),
        (
            "operator[0].link[0].password: the environment variable TCELL_PASSWORD is not set;"
            " set it, or write the password itself"
        ),
    ),
    (
        link('bind = "trx"'),
        'operator[0].link[0].bind: "trx" is not known here; write one of "transceiver", "transmitter+receiver"',
    ),
    (link("binds = 0"), "operator[0].link[0].binds: 0 is out of range; write a whole number from 1 to 100"),
    (link("window = 1e3"), "operator[0].link[0].window: 1000.0 is not a whole number; "),
    (
        link("rate = -1"),
        "operator[0].link[0].rate: -1 is out of range; write a number of submit_sm a second from 0 to 100000",
    ),
    (link("rate = nan"), "operator[0].link[0].rate: nan is not a number; "),
    (link("rate = inf"), "operator[0].link[0].rate: inf is out of range; "),
    (link(f"rate = 0x{'F' * 400}"), "operator[0].link[0].rate: a huge number is out of range; "),
    (link("rate = true"), "operator[0].link[0].rate: true is not a number; "),
    (link("response_timeout = 0"), "write a number of seconds from 0.1 to 600"),
    (
        link("interface_version = 34"),
        "operator[0].link[0].interface_version: 34 is no version of SMPP; write 0x33, 0x34 or 0x50",
    ),
    (
        link("ton_npi = {alnum = [5]}"),
        "operator[0].link[0].ton_npi.alnum: a list is not a pair; write [TON, NPI], such as [5, 0]",
    ),
    (
        link("ton_npi = {alnum = [5, 256]}"),
        "operator[0].link[0].ton_npi.alnum[1]: 256 is out of range; write a whole number from 0 to 255",
    ),
    (link("ton_npi = {alfa = [5, 0]}"), 'operator[0].link[0].ton_npi.alfa: "alfa" is not known here; '),
    (
        link("charset_map = {0 = 'gsm'}"),
        (
            "operator[0].link[0].charset_map: no data_coding means ucs2, so no Cyrillic text could be sent;"
            ' write a table such as {0 = "gsm", 8 = "ucs2"}'
        ),
    ),
    (
        link("charset_map = {0 = 'gsm7', 8 = 'ucs2'}"),
        'operator[0].link[0].charset_map.0: "gsm7" is not known here; did you mean "gsm"?',
    ),
    (link("charset_map = {256 = 'ucs2'}"), f'operator[0].link[0].charset_map.256: "256" is out of range; {CODE_RULE}'),
    (
        link("charset_map = {8 = 'ucs2', 0x08 = 'ucs2'}"),
        "operator[0].link[0].charset_map.0x08: this entry is there twice, spelled differently; write it once",
    ),
    (
        link("status_classes = {RTHROTTLED = 'throttle'}"),
        'operator[0].link[0].status_classes.RTHROTTLED: "RTHROTTLED" does not fit; ',
    ),
    (link("status_classes = {0x58 = 'ok'}"), 'operator[0].link[0].status_classes.0x58: "ok" is not known here; '),
    (
        link("priority_map = {otp = 4}"),
        "operator[0].link[0].priority_map.otp: 4 is out of range; write a whole number from 0 to 3",
    ),
    (
        link('receipt_timezone = "Asia/Dushanbee"'),
        (
            'operator[0].link[0].receipt_timezone: "Asia/Dushanbee" is no time zone;'
            ' write a name of the time zone database, such as "Asia/Dushanbe" or "UTC"'
        ),
    ),
    (
        link('receipt_timezone = "../../etc/passwd"'),
        'operator[0].link[0].receipt_timezone: "../../etc/passwd" does not fit; ',
    ),
    (link('receipt_timezone = "Asia"'), 'operator[0].link[0].receipt_timezone: "Asia" is no time zone; '),
    (
        link('tls = "yes"'),
        'operator[0].link[0].tls: "yes" is neither true, false nor a table; write true, or {ca = "/etc/ssl/ca.pem"}',
    ),
    (
        link('tls = {ca = "ca.pem"}'),
        'operator[0].link[0].tls.ca: "ca.pem" does not fit; write the absolute path of a PEM file',
    ),
    (
        link('tls = {cert = "/x"}'),
        "operator[0].link[0].tls.cert: unknown key; known here: ca, certificate, key, verify",
    ),
    (link('tls = {key = "/x"}'), "operator[0].link[0].tls.key: a key without its certificate; write certificate too"),
    # keys of a route
    ("[[route]]\noperators = ['a']", 'route[0].prefix: missing; every route needs a prefix; "" is every number'),
    ("[[route]]\nprefix = 992", f"route[0].prefix: 992 is not text; {PREFIX_RULE}"),
    ('[[route]]\nprefix = "+992"', f'route[0].prefix: "+992" does not fit; {PREFIX_RULE}'),
    (
        '[[route]]\nprefix = "992"\noperators = []',
        "route[0].operators: the list is empty; name at least 1 of operators",
    ),
    (
        '[[route]]\nprefix = "992"\noperators = ["a", "b", "a"]',
        "route[0].operators[2]: the same as route[0].operators[0]; name it once",
    ),
    (
        '[[route]]\nprefix = "992"\n[[route]]\nprefix = "992"',
        'route[1].prefix: a route with prefix "992" is already at route[0]; write it once',
    ),
    # TOML itself
    ('[[client]]\nname = "demo', "line 2, column 13: Illegal character '\\n'; this is not TOML"),
    ("[[client]\n", "line 1, column 9: Expected ']]' at the end of an array declaration; this is not TOML"),
    ("name", "Expected '=' after a key in a key/value pair; this is not TOML"),
    ("a = 1\na = 2", "line 2, column 6: Cannot overwrite a value; this is not TOML"),
    ("a = " + "9" * 5000, "this is not TOML"),
    ("a = " + "[" * 100_000, "nested too deeply; write tables as the documentation shows"),
]


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[line[:60] for _, line in WRONG])
def test_the_line_for_what_is_wrong(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(RegistryFileError) as caught:
        written(tmp_path, text + "\n")
    (found,) = caught.value.lines()
    file = str(tmp_path / "registry.toml")
    assert found.startswith(f"{file}: ")
    if line.startswith(("client", "operator", "route", "link", "payk", "line")):
        assert found.removeprefix(f"{file}: ").startswith(line)
    assert line in found
    assert "\n" not in found


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RegistryFileError) as caught:
        written(
            tmp_path, client("max_parts = 0\nbulk = 1\nsenders = ['@', 'x', 'X']\n[[client]]\n[[client]]\n[[rout]]")
        )
    assert [problem.path for problem in caught.value.problems] == [
        "rout",
        "client[0].max_parts",
        "client[0].bulk",
        "client[0].senders[0]",
        "client[0].senders[2]",
        "client[1].name",
        "client[2].name",
    ]


def test_no_line_quotes_a_key_or_a_password(tmp_path: Path) -> None:
    secret = "s3cret пароль that is no key"
    text = client(f'api_keys = ["{secret}"]\nrevoked_keys = ["{secret}"]\napi_key_sha256 = ["{secret}"]\n')
    with pytest.raises(RegistryFileError) as caught:
        written(tmp_path, text + link(f'password = "{secret}"\n[[operator.link]]\npassword = {{env = "P"}}'), P=secret)
    assert len(caught.value.problems) == 5
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [None, ""])
def test_a_password_that_is_not_set_outside(tmp_path: Path, value: str | None) -> None:
    with pytest.raises(RegistryFileError, match="the environment variable P is not set"):
        written(tmp_path, link('password = {env = "P"}'), **({} if value is None else {"P": value}))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RegistryFileError, match=r"missing\.toml: cannot be read: No such file or directory; "):
        load(tmp_path / "missing.toml", {})
    with pytest.raises(RegistryFileError, match="cannot be read: Is a directory; "):
        load(tmp_path, {})
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9\n")
    with pytest.raises(RegistryFileError, match="octet 6 is not UTF-8; save the file as UTF-8"):
        load(latin, {})


def test_a_document_that_is_no_file() -> None:
    with pytest.raises(RegistryFileError, match=r"^request: client\[0\]\.max_parts: 0 is out of range"):
        read({"client": [{"name": "demo", "max_parts": 0}]}, "request", {})
