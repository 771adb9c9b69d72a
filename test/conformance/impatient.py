# Written by test/conformance as sitecustomize.py: what tempest waits for that need not be waited for.
#
# Tempest's client of subnets sleeps ten seconds before every deletion, for clouds that are not done with a port when they say so. gostack is, so
# nothing is waited for: a deletion that came too early would fail.
#
# The scenarios of Neutron's plugin wait for L3 agents to say which of them carries a router that is highly available. OVN has no such agents; the
# plugin of Zed does not know of routers of OVN that say they are highly available, later releases do not wait for them.
import importlib.util
import sys
import time

patient = time.sleep


def sleep(seconds):
    if not sys._getframe(1).f_code.co_filename.endswith("/network/subnets_client.py"):
        patient(seconds)


time.sleep = sleep


class Scenarios:
    module = "neutron_tempest_plugin.scenario.base"

    def find_spec(self, name, path, target=None):
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            module.BaseTempestTestCase._wait_for_router_ha_active = classmethod(lambda cls, router_id: None)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Scenarios())
