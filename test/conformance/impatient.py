# Written by test/conformance as sitecustomize.py. Tempest's client of subnets sleeps ten seconds before every deletion, for clouds that are not
# done with a port when they say so. gostack is, so nothing is waited for: a deletion that came too early would fail.
import sys
import time

patient = time.sleep


def sleep(seconds):
    if not sys._getframe(1).f_code.co_filename.endswith("/network/subnets_client.py"):
        patient(seconds)


time.sleep = sleep
