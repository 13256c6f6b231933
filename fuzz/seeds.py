#!/usr/bin/env python3
"""Fills fuzz/corpus/TARGET with seeds made of this project's own fixtures and rules; what the fuzzer found stays."""
import bz2, gzip, io, lzma, pathlib, zipfile

root = pathlib.Path(__file__).resolve().parent.parent
fixtures = {p.relative_to(root / "fixtures").as_posix(): p.read_bytes()
            for p in sorted((root / "fixtures").rglob("*")) if p.is_file() and p.suffix not in (".md", ".yml")}


def seed(target, data):
    folder = root / "fuzz/corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    have = len(list(folder.glob("seed-*")))
    (folder / f"seed-{have:04}").write_bytes(data)


for old in (root / "fuzz/corpus").glob("*/seed-*"):
    old.unlink()

# What was found once.
for path in sorted((root / "fuzz/seeds").glob("*.bin")):
    seed(path.name.split("-")[0], path.read_bytes())

for name, log in fixtures.items():
    if name.endswith((".gz", ".zst")):
        seed("decompress", log[:4096])
        continue
    lines = log.splitlines(keepends=True)
    pieces = [log[:2048]] + [b"".join(lines[at:at + 2])[:2048] for at in range(0, min(len(lines), 24), 2)]
    for number, piece in enumerate(pieces):
        seed("stream", b"\xff" + bytes([number]) + piece)
        seed("matcher", b"\xff" + piece)
        if name.startswith("zeek") and piece[:1] != b"{":
            header = b"".join(line for line in lines if line.startswith(b"#") and not line.startswith(b"#close"))
            seed("zeek", bytes([number]) + piece)
            seed("zeek", bytes([number]) + header + piece)
        if name.startswith(("syslog", "firewall", "text")):
            seed("syslog", bytes([number]) + piece)
            if piece[:1] == b"{":
                seed("syslog", b"\x80" + piece)
            if "cri" in name:
                seed("syslog", b"\xc0" + piece)
        if name.endswith(".xml"):
            seed("xml", bytes([number]) + piece)
        if piece[:1] in b"{[":
            seed("json", bytes([number]) + piece)
            seed("json", b"\0" + b"[" + b",".join(piece.splitlines()) + b"]")

log = fixtures["syslog/auth.log"][:600]
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
    out.writestr("a/auth.log", log)
    out.writestr("b.gz", gzip.compress(log))
for data in (gzip.compress(log), gzip.compress(gzip.compress(log)), gzip.compress(log) * 2, bz2.compress(log), lzma.compress(log),
             archive.getvalue(), archive.getvalue()[:-30], log, b"\xff\xfe" + log.decode("utf-8", "replace").encode("utf-16-le"),
             b"\xfe\xff" + log.decode("utf-8", "replace").encode("utf-16-be"), gzip.compress(bytes(200_000)), lzma.compress(bytes(200_000))):
    seed("decompress", data)

rules = sorted((root / "rules").rglob("*.yml"))
for rule in rules:
    text = rule.read_bytes()
    seed("yaml", text[:4096])
for text in (root / "fuzz/rules.yml").read_bytes().split(b"---\n"):
    seed("yaml", text)
for text in (
    b"title: a\n--- \n? x\n: - &a [1, {b: c}]\n  - *a\n  - |\n    t\n   x\n  - >-\n    f\n<<: {m: 1}\n",
    b"action: global\ntitle: g\nlogsource: {product: x}\n---\ndetection: {s: {a: 1}, condition: s | count() by b > 3, timeframe: 5m}\n",
    b"title: c\ncorrelation:\n  type: event_count\n  rules: [x]\n  group-by: [a]\n  timespan: 5m\n  condition: {gte: 3}\n",
    b"title: f\nlogsource: {product: x}\nfilter:\n  rules: [any]\n  s: {a: 1}\n  condition: not s\n",
):
    seed("yaml", text)

for text in ("sel_a", "sel_a and not c or (sel_b)", "1 of sel_*", "all of them", "any of sel_*", "not 1 of _d", "((c))", "c | count() by a > 3",
             "c | count(a) > 3", "c | near sel_a", "all of s*_a and c", "NOT c AND sel_a"):
    seed("condition", text.encode())

# A record: a fragment header, an open element with a name, a value, an end.
name = lambda text: bytes(4) + bytes(2) + len(text).to_bytes(2, "little") + text.encode("utf-16-le") + bytes(2)
element = b"\x01\x40\0\0\0" + (0x200 + 24 + 4 + 9).to_bytes(4, "little") + name("Event") + b"\x02"
value = b"\x05\x01" + (2).to_bytes(2, "little") + "ab".encode("utf-16-le")
for record in (b"\x0f\x01\x01\0" + element + value + b"\x04\0", b"\x0f\x01\x01\0" + element + b"\x03\0", b"\x0f\x01\x01\0\x0c\x01"):
    seed("evtx", b"\x01" + record)
seed("evtx", b"\0ElfFile\0" + bytes(0x1000 - 8) + b"ElfChnk\0" + bytes(600))
seed("evtx", b"\0ElfChnk\0" + bytes(504) + b"**\0\0" + (64).to_bytes(4, "little") + bytes(60))
