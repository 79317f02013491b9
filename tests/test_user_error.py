import pickle

from tats_exp import UserError, printable


def test_any_terminal_takes_a_message_and_it_is_one_line():
    name = b"caf\xe9 \xc3\xa9\n\x1b[2J.png".decode("utf-8", "surrogateescape")
    assert printable(name) == "caf\\xe9 é\\n\\x1b[2J.png" == printable(printable(name))
    assert printable("\ud800 \u2028") == "\\ud800 \\u2028"
    error = UserError(f"{name}: damaged")
    assert str(error).encode() and len(str(error).splitlines()) == 1
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
