"""Seven exercises about sockets, judged as they are assigned: no manifest, no protocol, no wording is asked for."""
