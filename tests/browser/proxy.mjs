/**
 * An address of a log where somebody stands in between: it answers as the log does, and lies where it is told to.
 *
 *     Chromium ──► Proxy ──► candor-server
 *                    └─ lies: (path, body) ──► another body, or nothing where it does not lie
 */

import { createServer } from 'node:http';

export class Proxy {
    /** What is said in place of the log. @type {(path: string, body: Buffer) => Buffer | string | undefined} */
    lies = () => undefined;
    /** What was asked for, with what came along. @type {{ method: string, path: string, head: string, body: Buffer }[]} */
    asked = [];
    /** The paths that were lied about. @type {Set<string>} */
    lied = new Set();

    /** @param {string} log where it is */
    static async start(log) {
        const proxy = new Proxy();
        proxy.log = log;
        proxy.server = createServer((request, response) => {
            proxy.#answer(request, response).catch((error) => response.writeHead(502).end(String(error)));
        });
        await new Promise((ready) => proxy.server.listen(0, '127.0.0.1', ready));
        proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
        return proxy;
    }

    async #answer(request, response) {
        const { method, url: path } = request;
        const parts = [];
        for await (const part of request) parts.push(part);
        this.asked.push({ method, path, head: JSON.stringify(request.rawHeaders), body: Buffer.concat(parts) });
        // Whatever the reader has already, an answer is a whole one: a lie about it would be no lie otherwise.
        const answer = await fetch(this.log + path, { method, headers: { accept: request.headers.accept ?? '*/*' } });
        const honest = Buffer.from(await answer.arrayBuffer());
        const lie = this.lies(path, honest);
        if (lie !== undefined && !honest.equals(Buffer.from(lie))) this.lied.add(path);
        const headers = {};
        for (const name of ['content-type', 'content-security-policy', 'cache-control', 'referrer-policy'])
            if (answer.headers.has(name)) headers[name] = answer.headers.get(name);
        response.writeHead(answer.status, headers).end(lie ?? honest);
    }

    close() {
        this.server.closeAllConnections();
        this.server.close();
    }
}
