"""A small HTTP server that speaks OpenAI's chat protocol, with a real model or with a script."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch


class ChatServer(ThreadingHTTPServer):
    """Records requests, and answers with `answer(body)`, a text or `(status, headers, text)`.

    With `drip` seconds an answer comes a byte at a time.
    """

    daemon_threads = True

    def __init__(self, answer, models=("tiny",), delay=0.0, drip=0.0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.models, self.delay, self.drip = answer, models, delay, drip
        self.requests, self.keys = [], []
        self.at_work = self.most_at_work = 0
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        assert self.path == "/v1/models"
        self.send(200, json.dumps({"data": [{"id": name} for name in self.server.models]}))

    def do_POST(self):
        assert self.path == "/v1/chat/completions"
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append(body)
            server.keys.append(self.headers["Authorization"])
            server.at_work += 1
            server.most_at_work = max(server.most_at_work, server.at_work)
        time.sleep(server.delay)
        answer = server.answer(body)
        with server.lock:
            server.at_work -= 1
        if not isinstance(answer, str):
            self.send(answer[0], answer[2], answer[1])
            return
        usage = {"prompt_tokens": 10, "completion_tokens": len(answer.split())}
        choice = {"message": {"role": "assistant", "content": answer}}
        self.send(200, json.dumps({"choices": [choice], "usage": usage}))

    def send(self, status, text, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        content = text.encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not self.server.drip or self.command == "GET":
            self.wfile.write(content)
            return
        try:
            for place in range(len(content)):
                self.wfile.write(content[place : place + 1])
                time.sleep(self.server.drip)
        except OSError:  # nobody waits for the rest
            self.close_connection = True


@contextmanager
def serving(answer, **settings):
    server = ChatServer(answer, **settings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def model_answer(model, tokenizer):
    """What a language model answers, drawn with the request's seed and temperature."""
    lock = threading.Lock()

    def answer(body):
        ids = tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        sampling = {"do_sample": False}
        if body["temperature"]:
            sampling = {"do_sample": True, "temperature": body["temperature"]}
        with lock, torch.random.fork_rng(devices=[]):
            torch.manual_seed(body["seed"])
            out = model.generate(**ids, max_new_tokens=body["max_tokens"], **sampling)
        return tokenizer.decode(out[0][ids["input_ids"].shape[1] :], skip_special_tokens=True)

    return answer
