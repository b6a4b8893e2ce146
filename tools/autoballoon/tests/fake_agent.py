"""A guest agent of QEMU's that knows what it is asked, and misbehaves on demand."""

import base64
import json
import os
import socket
import threading


class Agent:
    """status, out, err: what becomes of each program; polls: times that it is asked before;
    answer(command) -> bytes instead of the usual ones, b"" for none."""

    def __init__(self, path, status=0, out="", err="", polls=1, answer=None, before=b""):
        self.ran = []
        self.status, self.out, self.err, self.polls = status, out, err, polls
        self._answer, self._before = answer, before
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(self._before)
                for line in connection.makefile("rb"):
                    command = json.loads(line.lstrip(b"\xff"))
                    answer = self._answer(command) if self._answer else None
                    if answer is None:
                        answer = json.dumps(self._usual(command)).encode() + b"\n"
                        answer = b"\xff" * line.startswith(b"\xff") + answer
                    try:
                        connection.sendall(answer)
                    except OSError:
                        break

    def _usual(self, command):
        arguments = command["arguments"]
        if command["execute"] == "guest-sync-delimited":
            return {"return": arguments["id"]}
        if command["execute"] == "guest-exec":
            assert arguments["capture-output"]
            self.ran.append([arguments["path"], *arguments["arg"]])
            self._left = self.polls
            return {"return": {"pid": 4711}}
        assert command["execute"] == "guest-exec-status" and arguments["pid"] == 4711
        self._left -= 1
        if self._left >= 0:
            return {"return": {"exited": False}}
        told = {"exited": True, "exitcode": self.status}
        for key, text in (("out-data", self.out), ("err-data", self.err)):
            if text:
                told[key] = base64.b64encode(text.encode()).decode()
        return {"return": told}

    def close(self):
        self._listener.close()


def virsh(directory, log):
    """A virsh that answers for a domain, and writes what it was asked."""
    path = os.path.join(directory, "virsh")
    with open(path, "w") as f:
        f.write(f"""#!/bin/sh
echo "$*" >>{log}
case $* in
*guest-exec-status*) echo '{{"return":{{"exited":true,"exitcode":0,"out-data":"cGFya2VkCg=="}}}}' ;;
*) echo '{{"return":{{"pid":7}}}}' ;;
esac
""")
    os.chmod(path, 0o755)
