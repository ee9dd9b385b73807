// SPDX-License-Identifier: Apache-2.0
// What stands in front of a cluster in production and the published jars do not have: TLS, and a check of who asks. It
// answers as Elasticsearch's security does, and can be told to fail as clusters do.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of a request that came in: what to do with it instead of handing it on. */
export type Fault =
  /** It never reaches the cluster. */
  | { status: 401 | 403 | 429 | 500 | 502 | 503; type: string }
  /** It reaches the cluster, and the answer is lost. */
  | 'answer lost'
  /** Items of a bulk request at these positions are refused with 429, the rest goes through. */
  | { refuse: (position: number) => boolean };

export class Gateway {
  #asked = 0;
  readonly caFile: string;
  /** Authorization headers that are let in; null = all. */
  allowed: string[] | null = null;
  /** Asked for each request, in order. */
  fault: (path: string, method: string) => Fault | null = () => null;

  private constructor(
    private readonly folder: string,
    private readonly server: Server,
    readonly url: string,
  ) {
    this.caFile = join(folder, 'ca.pem');
  }

  static async start(target: string): Promise<Gateway> {
    const folder = mkdtempSync(join(tmpdir(), 'stackwell-gateway-'));
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority');
    openssl(
      ...['req', '-x509', ...key, '-keyout', 'node.key', '-out', 'node.pem', '-subj', '/CN=node'],
      ...['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'],
    );
    const server = createServer({
      key: readFileSync(join(folder, 'node.key')),
      cert: readFileSync(join(folder, 'node.pem')),
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const gateway = new Gateway(
      folder,
      server,
      `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    );
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      gateway.#answer(target, request, response).catch(() => response.destroy());
    });
    return gateway;
  }

  get asked(): number {
    return this.#asked;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #answer(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#asked++;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = 'GET', url: path = '/', headers } = request;
    const refuse = (status: number, type: string) => {
      response.writeHead(status, {
        'content-type': 'application/vnd.elasticsearch+json; compatible-with=8',
        'x-elastic-product': 'Elasticsearch',
      });
      response.end(JSON.stringify({ error: { type, reason: type, root_cause: [] }, status }));
    };
    if (this.allowed !== null && !this.allowed.includes(headers.authorization ?? '')) {
      refuse(401, 'security_exception');
      return;
    }
    const fault = this.fault(path, method);
    if (fault !== null && typeof fault === 'object' && 'status' in fault) {
      refuse(fault.status, fault.type);
      return;
    }
    const body = Buffer.concat(chunks);
    const { kept, refused } =
      fault !== null && typeof fault === 'object'
        ? partOfBulk(body, fault.refuse)
        : { kept: body, refused: new Map<number, string>() };
    const { authorization: _, host: _host, connection: _connection, ...passed } = headers;
    delete passed['content-length'];
    delete passed['transfer-encoding'];
    const answer = await fetch(target + path, {
      method,
      headers: passed as Record<string, string>,
      ...(kept.length > 0 ? { body: new Uint8Array(kept) } : {}),
    });
    let content = Buffer.from(await answer.arrayBuffer());
    if (fault === 'answer lost') {
      response.destroy();
      return;
    }
    if (refused.size > 0) {
      const { items = [] } = kept.length > 0 ? (JSON.parse(content.toString()) as { items?: unknown[] }) : {};
      const left = [...items];
      const all = Array.from({ length: items.length + refused.size }, (_, at) => {
        const op = refused.get(at);
        if (op === undefined) return left.shift();
        const type = 'es_rejected_execution_exception';
        return { [op]: { status: 429, error: { type, reason: type } } };
      });
      content = Buffer.from(JSON.stringify({ errors: true, items: all }));
    }
    response.writeHead(answer.status, {
      'content-type': answer.headers.get('content-type') ?? 'application/json',
      'x-elastic-product': 'Elasticsearch',
    });
    response.end(content);
  }
}

/** A bulk request without the items that are refused, and those by their position. */
function partOfBulk(
  body: Buffer,
  refuse: (position: number) => boolean,
): { kept: Buffer; refused: Map<number, string> } {
  const kept: string[] = [];
  const refused = new Map<number, string>();
  const lines = body
    .toString()
    .split('\n')
    .filter(line => line !== '');
  for (let line = 0, position = 0; line < lines.length; position++) {
    const [op] = Object.keys(JSON.parse(lines[line]!) as object);
    const own = lines.slice(line, line + (op === 'delete' ? 1 : 2));
    line += own.length;
    if (refuse(position)) refused.set(position, op!);
    else kept.push(...own);
  }
  return { kept: Buffer.from(kept.length > 0 ? `${kept.join('\n')}\n` : ''), refused };
}
