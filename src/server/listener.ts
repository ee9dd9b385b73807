// SPDX-License-Identifier: Apache-2.0
// One port for HTTP/1.1 and for HTTP/2 without TLS (prior knowledge: what gRPC clients speak). A connection's first three
// bytes tell which, for 'PRI' begins nothing but HTTP/2's preface. The socket then goes to Node.js's HTTP/1 server, which
// reads on from the system by itself, or to a session of HTTP/2; both hand their requests to the same handler.
import { once } from 'node:events';
import { type RequestListener, Server, STATUS_CODES } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import {
  type AddressInfo,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { StackwellError } from '../errors.js';

/** Milliseconds. */
export interface Timeouts {
  /** For a request to arrive whole, its body included, and for an answer that no one reads on. */
  request: number;
  /** For what tells HTTP/1 from HTTP/2. */
  preface: number;
  /** After which a connection without a request is closed. */
  idle: number;
}

const DEFAULTS: Timeouts = { request: 120_000, preface: 30_000, idle: 72_000 };

const PREFACE = Buffer.from('PRI');
/** Streams of one session; what their bodies hold is bounded by `limits.inflightBytes`, as with HTTP/1. */
const MAX_STREAMS = 100;
/** As HTTP/1's. */
const MAX_HEADER_BYTES = 16 * 1024;
/** What a sender may have under way before it has been read: of a stream, and of all streams of a session. */
const STREAM_WINDOW = 256 * 1024;
const SESSION_WINDOW = 1024 * 1024;
/** A client that was told to go has this long to close its side. */
const LINGER_MS = 2000;
const NO_ERROR = 0;
const CANCEL = 8;

export class Listener extends Server {
  readonly #handler: RequestListener;
  readonly #timeouts: Timeouts;
  readonly #undecided = new Set<Socket>();
  readonly #http1 = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #others: NetServer[] = [];
  readonly #acceptHttp1: (socket: Socket) => void;
  #http2: Http2Server | null = null;

  constructor(handler: RequestListener, timeouts: Partial<Timeouts> = {}) {
    const all = { ...DEFAULTS, ...timeouts };
    super({ requestTimeout: all.request, keepAliveTimeout: all.idle }, handler);
    this.#handler = handler;
    this.#timeouts = all;
    const [accept] = this.listeners('connection') as ((socket: Socket) => void)[];
    this.#acceptHttp1 = accept!;
    this.removeListener('connection', accept!);
    this.on('connection', (socket: Socket) => this.#decide(socket));
  }

  /** Open connections, by what they speak. */
  get open(): Record<'undecided' | 'http1' | 'http2', number> {
    return { undecided: this.#undecided.size, http1: this.#http1.size, http2: this.#sessions.size };
  }

  /** Listens on more addresses (localhost is two), at the same port; those that are taken are left out. */
  async listenAlso(addresses: string[]): Promise<void> {
    const { address: own, port } = this.address() as AddressInfo;
    for (const address of addresses) {
      if (address === own) continue;
      const other = createNetServer({ allowHalfOpen: true, noDelay: true }, socket =>
        this.emit('connection', socket),
      );
      const listening = once(other.listen({ host: address, port }), 'listening');
      if (
        await listening.then(
          () => true,
          () => false,
        )
      )
        this.#others.push(other);
    }
  }

  override close(done?: (error?: Error) => void): this {
    const others = this.#others.splice(0).map(other => new Promise(closed => other.close(closed)));
    return super.close(error => void Promise.all(others).then(() => done?.(error)));
  }

  override closeIdleConnections(): void {
    super.closeIdleConnections();
    for (const socket of this.#undecided) socket.destroy();
    // A session is told to go; it ends with the last of its streams.
    for (const session of this.#sessions) if (!session.closed) session.close();
  }

  override closeAllConnections(): void {
    super.closeAllConnections();
    for (const socket of this.#undecided) socket.destroy();
    for (const session of this.#sessions) session.destroy();
  }

  #decide(socket: Socket): void {
    this.#undecided.add(socket);
    let head: Buffer = Buffer.alloc(0);
    const look = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const known = Math.min(head.length, PREFACE.length);
      const isHttp2 = head.compare(PREFACE, 0, known, 0, known) === 0;
      if (isHttp2 && known < PREFACE.length) return;
      leave();
      socket.unshift(head);
      if (isHttp2) this.#acceptHttp2(socket);
      else {
        this.#http1.add(socket);
        socket.once('close', () => this.#http1.delete(socket));
        this.#acceptHttp1(socket);
      }
    };
    const drop = () => socket.destroy();
    const timer = setTimeout(drop, this.#timeouts.preface).unref();
    const leave = () => {
      clearTimeout(timer);
      this.#undecided.delete(socket);
      socket.off('readable', look).off('end', drop).off('error', drop).off('close', leave);
    };
    socket.on('readable', look).on('end', drop).on('error', drop).on('close', leave);
  }

  #acceptHttp2(socket: Socket): void {
    this.#http2 ??= this.#openHttp2();
    // HTTP/1 answers those who have ended their side. A session whose client has could not go on.
    socket.allowHalfOpen = false;
    // The server says so within the call.
    this.#http2.once('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.once('close', () => {
        this.#sessions.delete(session);
        const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
        socket.once('close', () => clearTimeout(timer));
      });
      session.setLocalWindowSize(SESSION_WINDOW);
      this.#watch(session);
    });
    this.#http2.emit('connection', socket);
  }

  #openHttp2(): Http2Server {
    const server = createHttp2Server(
      {
        settings: {
          maxConcurrentStreams: MAX_STREAMS,
          maxHeaderListSize: MAX_HEADER_BYTES,
          initialWindowSize: STREAM_WINDOW,
        },
        // MB of headers, windows and unwritten answers of one session; past it streams are refused.
        maxSessionMemory: 10,
        maxSessionInvalidFrames: 100,
        maxSessionRejectedStreams: 100,
      },
      (request, response) => {
        // HTTP/1's way to say that there is a body: those who read it go by that, or by its length.
        if (!request.stream.endAfterHeaders) request.headers['transfer-encoding'] ??= 'chunked';
        this.#handler(request as never, response as never);
      },
    );
    // Errors of a session concern its client only, and have ended it.
    server.on('sessionError', () => {});
    return server;
  }

  #watch(session: ServerHttp2Session): void {
    let streams = 0;
    const expire = () => {
      if (streams === 0) session.close();
      else session.setTimeout(this.#timeouts.idle, expire);
    };
    session.setTimeout(this.#timeouts.idle, expire);
    session.on('stream', (stream: ServerHttp2Stream) => {
      streams++;
      stream.once('close', () => streams--);
      const { request } = this.#timeouts;
      if (!stream.endAfterHeaders) {
        const late = setTimeout(() => stream.close(CANCEL), request).unref();
        const arrived = () => clearTimeout(late);
        stream.once('end', arrived).once('close', arrived);
      }
      stream.setTimeout(request, () => {
        if (stream.headersSent) stream.close(CANCEL);
      });
    });
  }
}

/** With an answer to a request that has not arrived whole: the rest of it is not wanted (RFC 9113, 8.1). */
export function stopSending(stream: ServerHttp2Stream): void {
  // Only now is the end of the answer sent, which a reset before would take away.
  stream.once('wantTrailers', () =>
    setImmediate(() => {
      stream.close(NO_ERROR);
      // What has arrived is not read any more, and the stream would wait for that.
      stream.destroy();
    }),
  );
}

/** Of a request that Node.js could not read: no handler sees it. The connection is closed with the answer. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const known =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new StackwellError('SW_REQUEST_HEAD_TOO_LARGE', { max: MAX_HEADER_BYTES })
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? new StackwellError('SW_REQUEST_TIMEOUT', { seconds: DEFAULTS.request / 1000 })
        : new StackwellError('SW_REQUEST_INVALID', { reason: 'it is not HTTP' }, error);
  const body = JSON.stringify(known.toJSON());
  socket.end(
    `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}\r\nconnection: close\r\n` +
      `content-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
