// SPDX-License-Identifier: Apache-2.0
// Pull mode and nothing else, in a server of node:http; ends when its input does.
import { createServer } from 'node:http';
import { expressMiddleware, stats } from 'stackwell/client';
import { burnHot } from './work.cjs';

const middleware = expressMiddleware();
const server = createServer((request, response) =>
  middleware(request, response, () => {
    response.end('of the application');
  }),
);
const busy = setInterval(() => burnHot(20), 25);
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on('end', () => {
  clearInterval(busy);
  server.close();
  server.closeAllConnections();
  console.log(JSON.stringify(stats()));
});
