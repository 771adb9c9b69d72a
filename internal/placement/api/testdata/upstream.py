"""Serves upstream's placement on a free port of 127.0.0.1 with an empty SQLite database in a directory given as argument.

Prints the port. Any token is accepted; "admin" is an administrator.
"""
import os
import sys
from wsgiref import simple_server

from oslo_config import cfg
from oslo_policy import opts as policy_opts
from placement import conf
from placement import db_api
from placement import deploy


class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


directory = sys.argv[1]
path = os.path.join(directory, "placement.conf")
with open(path, "w") as f:
    f.write("[api]\nauth_strategy = noauth2\n[placement_database]\nsync_on_startup = true\n"
            "connection = sqlite:///%s/placement.db\n" % directory)
options = cfg.ConfigOpts()
conf.register_opts(options)
options([], default_config_files=[path])
policy_opts.set_defaults(options)
db_api.configure(options)
server = simple_server.make_server("127.0.0.1", 0, deploy.loadapp(options), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
