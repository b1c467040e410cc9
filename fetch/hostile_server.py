"""An https server on 127.0.0.1 that misbehaves by path: `hostile_server.py CERTIFICATE KEY` prints its port."""
import http.server
import ssl
import sys
import time

asked = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self, status, content=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        asked[self.path] = asked.get(self.path, 0) + 1
        port = self.server.server_address[1]
        if self.path == "/ok":
            self.body(200, b"content")
        elif self.path == "/empty":
            self.body(200)
        elif self.path == "/missing":
            self.body(404, b"not found: no such\nmodule \x1b[31m")
        elif self.path == "/gone":
            self.body(410, b"gone")
        elif self.path == "/forbidden":
            self.body(403, b"no")
        elif self.path == "/error":
            self.body(500, b"trouble")
        elif self.path.startswith("/flaky"):
            if asked[self.path] < 3:
                self.body(503, b"busy")
            else:
                self.body(200, b"content")
        elif self.path == "/endless":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
        elif self.path == "/huge":
            self.body(200, b"x", Content_Length="1000000000000")
            self.close_connection = True
        elif self.path == "/short":
            self.body(200, b"x" * 10, Content_Length="100")
            self.close_connection = True
        elif self.path == "/slow":
            time.sleep(4)
            self.body(200, b"content")
        elif self.path == "/redirect":
            self.body(302, Location=f"https://127.0.0.1:{port}/ok")
        elif self.path == "/redirect-http":
            self.body(302, Location=f"http://127.0.0.1:{port}/ok")
        elif self.path == "/redirect-file":
            self.body(302, Location="file:///etc/hostname")
        elif self.path == "/redirect-forever":
            self.body(302, Location="/redirect-forever")
        elif self.path.startswith("/asked/"):
            self.body(200, str(asked.get(self.path[6:], 0)).encode())
        else:
            self.body(404)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
