# Mutates pickles, has both of Python's unpicklers load each, and prints it in hexadecimal with what they imported (or would
# have, were it not for the class that stands for everything here).
import io, json, os, pickle, random, resource, sys

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
random.seed(int(sys.argv[2]))


class Anything:
    def __new__(cls, *a, **k): return object.__new__(cls)
    def __init__(self, *a, **k): pass
    def __call__(self, *a, **k): return self
    def __setstate__(self, state): pass
    def __setitem__(self, key, value): pass
    def append(self, item): pass
    def extend(self, items): pass
    def add(self, item): pass


def imported(unpickler, data):
    found = []
    class Loader(unpickler):
        def find_class(self, module, name):
            # No module has no name, or one with spaces or control characters.
            if module and module.isprintable() and " " not in module: found.append(f"{module}.{name}".encode(errors="replace").decode())
            return Anything
        def persistent_load(self, id): return id
    try: Loader(io.BytesIO(data)).load()
    except BaseException: pass
    return found


class Evil:
    def __reduce__(self): return os.system, ("true",)


texts = ["w", "x" * 30, "é", "a\nb", "1.5"]
value = {"k": [1, -2, 10**30, 2.5, None, True, b"b", bytearray(b"c"), (1, (2, 3)), {4, 5}, frozenset([6])], "e": Evil()}
value["t"] = texts + [texts[0], value["k"], 2**40, -2**40, 300, 70000]
bases = [pickle.dumps(value, protocol) for protocol in range(6)]
bases += [pickle._dumps(value, protocol) for protocol in range(6)]
bases += [
    b"cos\nsystem\n(S'true'\ntR.", b"(S'true'\nios\nsystem\n.", b"(cos\nsystem\nS'true'\no.", b"cos\nsystem\n)\x81}b.",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93)R.", b"U\x02osVsystem\n\x93.", b"S'os'\np7\n0\x8c\x06system\x940g7\nh\x01\x93.",
    b"S'o\\x73'\nVsyst\\u0065m\n\x93)R.", b"Np0\n(lp1\ng0\nacos\nsystem\n.", b"(dp1\nS'a'\nI1\nscos\nsystem\np2\n.",
    b"\x80\x02cos\nsystem\nq\x01)\x81q\x02}q\x03X\x01\x00\x00\x00aK\x01sb.", b"cos\nsystem\n}}\x92.", b"P1\ncos\nsystem\n.",
]
odd = [
    b"Np+1\n0", b"Np1_0\n0", b"Np 1\n0", b"Np007\n0", b"Np-0\n0", b"Np1\x00x\n0", b"I01\n0", b"I010\n0", b"I0x1f\n0", b"I1_0\n0",
    b"L" + b"0" * 40 + b"\n0", b"L0b1L\n0", b"\x8b\x10\x00\x00\x00" + bytes(16) + b"0", b"\x8a\x00" + b"0", b"F1e5\n0",
    b"\x95\xff\xff\x00\x00\x00\x00\x00\x00", b"\x95" + bytes(8), b"\x80\x05", b"\x80\x00", b"N2" + b"00", b"((1" + b"1",
    b"Nr\xff\xff\x00\x000", b"N\x940", b"V\\u0041\n0", b"S'\\''\n0", b"S\"a\"\n0", b"\x8e" + bytes(8) + b"0",
    b"\x96" + bytes(8) + b"0", b"\x97", b"\x98", b"(\x910", b"\x8f(\x900", b"](e0", b"}(u0", b"(l0", b"(d0",
]
names = [b"cos\nsystem\n", b"cnt\nsystem\n", b"(ievil\nx\n", b"\x8c\x04evil\x8c\x01y\x93", b"S'evil'\nS'z'\n\x93", b"\x82\x01"]


def mutated():
    data = bytearray(random.choice(bases))
    for _ in range(random.randint(0, 5)):
        at = random.randint(0, len(data))
        kind = random.randrange(9)
        if kind == 0 and at < len(data): data[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(data): data[at] = random.randrange(256)
        elif kind == 2: del data[at:at + random.randint(1, 12)]
        elif kind == 3: data[at:at] = random.choice(odd)
        elif kind == 4: data[0:0] = random.choice(odd)
        elif kind == 5: data[at:at] = random.choice(names)
        elif kind == 6: del data[at:]
        elif kind == 7: data[at:at] = random.choice(bases)[:random.randint(0, 40)]
        else: data[at:at] = bytes([random.randrange(256)])
    return bytes(data)


for _ in range(int(sys.argv[1])):
    data = mutated()
    found = imported(pickle.Unpickler, data) + imported(pickle._Unpickler, data)
    print(json.dumps([data.hex(), sorted(set(found))]))
