# SPDX-License-Identifier: GPL-2.0
"""A console in the emulated machine: its serial line on the person's terminal."""

import os
import pty
import select
import signal
import sys
import termios
import threading
import tty

from . import machine
from .base import say

LEAVE = b"\x1d"


def session(target, kernel, initrd, steps, where, append="", limit=None):
    """Boot with the serial line on this terminal until the machine ends; return the shell's exit status."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    done = threading.Event()
    saved = termios.tcgetattr(sys.stdin)
    say("    the machine's console; `exit` or Ctrl-] ends it")
    tty.setraw(sys.stdin)
    relay = threading.Thread(target=_relay, args=(ours, done), daemon=True)
    relay.start()
    try:
        outcome = machine.boot(target, kernel, initrd, steps, where, append=append,
                               limit=limit or 24 * 3600, terminal=os.ttyname(theirs))
    finally:
        done.set()
        relay.join()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
        os.close(theirs)
        os.close(ours)
    return outcome.require_done().steps[-1].status


def _relay(line, done):
    """Copy both ways between the terminal and the machine's serial line."""
    while not done.is_set():
        ready, _, _ = select.select([line, sys.stdin], [], [], 0.2)
        if line in ready:
            os.write(sys.stdout.fileno(), os.read(line, 4096))
        if sys.stdin in ready:
            typed = os.read(sys.stdin.fileno(), 4096)
            if LEAVE in typed:
                os.kill(os.getpid(), signal.SIGINT)
            os.write(line, typed)
