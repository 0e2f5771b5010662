/** The client's half of the tests with servers: what came back, or that nothing did. */

import { type Agent, request } from 'node:http';

export interface Fetched {
  readonly status: number;
  readonly body: string;
}

export interface FetchOptions {
  readonly port?: number;
  readonly socketPath?: string;
  readonly path?: string;
  readonly agent?: Agent | false;
  readonly timeoutMs?: number;
}

/** Makes one GET request; rejects when the connection breaks or nothing comes in time. */
export function get({
  port,
  socketPath,
  path = '/',
  agent = false,
  timeoutMs = 30_000,
}: FetchOptions): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const address = socketPath === undefined ? { host: '127.0.0.1', port } : { socketPath };
    const outgoing = request({ ...address, path, agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    outgoing.end();
  });
}
