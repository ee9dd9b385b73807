// SPDX-License-Identifier: Apache-2.0
// Nothing to compare yet: what could be, or why there is nothing.
import { formatCount } from '../lib/format.js';
import { shortDeploy } from '../lib/marks.js';
import { formatLocal, formatSpan } from '../lib/time.js';
import { state, update } from '../state/address.js';
import {
  compared,
  compareSelections,
  deploys,
  nothing,
  ofDeploys,
  rangeOf,
  sides,
} from '../state/compare.js';
import { before, compareDeploys } from '../state/compare-to.js';

const MOST = 50;

function Selections() {
  return (
    <button type="button" class="button" onClick={compareSelections}>
      Compare two selections
    </button>
  );
}

/** The newest deploys of all services, each with the one before it. */
function Recent() {
  const answer = deploys.data.value;
  if (answer === null) return <div class="empty faint">Looking for deploys…</div>;
  const list = answer.deploys;
  if (list.length === 0)
    return (
      <div class="empty">
        <h2>No deploys were seen here</h2>
        <p>
          A deploy is what the label <code>deploy</code> of a profile says; the agent sets it by itself, from
          the version, the image or the build ID of a program.
        </p>
        <p class="actions">
          {state.value.since !== 'now-90d' && (
            <button type="button" class="button primary" onClick={() => update({ since: 'now-90d' })}>
              Look at the last 90 days
            </button>
          )}
          <Selections />
        </p>
      </div>
    );
  return (
    <section class="recent" aria-label="Recent deploys">
      <h2>Recent deploys</h2>
      <p class="faint">
        Nobody announces them: they are what profiles say. Choose one to see what it changed.
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col">Deploy</th>
            <th scope="col">Seen first</th>
            <th scope="col">For</th>
            <th scope="col" class="num">
              Hosts
            </th>
            <th scope="col" class="num">
              Instances
            </th>
            <th scope="col" />
          </tr>
        </thead>
        <tbody>
          {list.slice(0, MOST).map(deploy => {
            const base = before(list, deploy);
            return (
              <tr key={`${deploy.service}\0${deploy.deploy}`}>
                <td>{deploy.service}</td>
                <td class="mono" title={deploy.deploy}>
                  {shortDeploy(deploy.deploy)}
                </td>
                <td>{formatLocal(deploy.first)}</td>
                <td>{formatSpan(deploy.last - deploy.first)}</td>
                <td class="num">{formatCount(deploy.hosts)}</td>
                <td class="num">{formatCount(deploy.instances)}</td>
                <td>
                  {base === null ? (
                    <span class="faint">none before it</span>
                  ) : (
                    <button
                      type="button"
                      class="link"
                      onClick={() => compareDeploys(deploy.service, base.deploy, deploy.deploy)}
                    >
                      compare with {shortDeploy(base.deploy)}
                    </button>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {list.length + answer.omitted > MOST && (
        <p class="faint">
          {formatCount(list.length + answer.omitted - MOST)} older ones: choose a service above.
        </p>
      )}
    </section>
  );
}

/** Null when there is something to show. */
export function Choosing() {
  if (ofDeploys.value && state.value.service === '') return <Recent />;
  if (!ofDeploys.value && (rangeOf('left') === null || rangeOf('right') === null))
    return (
      <div class="empty">
        <h2>This is no time range</h2>
        <p>A range ends after it begins, and both are times.</p>
        <button
          type="button"
          class="button primary"
          onClick={() =>
            update({
              from: 'now-15m',
              until: 'now',
              left_from: '',
              left_until: '',
              right_from: '',
              right_until: '',
            })
          }
        >
          Last 15 minutes on both sides
        </button>
      </div>
    );
  const missing = nothing.value;
  if (missing.length === 0 || compared.data.value === null) return null;
  const both = sides.value;
  return (
    <div class="empty">
      <h2>Nothing was recorded {missing.length === 2 ? 'on either side' : `on the ${missing[0]}`}</h2>
      {both !== null &&
        missing.map(name => (
          <p key={name}>
            No profile matches <code>{both[name].query || '{}'}</code> between {formatLocal(both[name].from)}{' '}
            and {formatLocal(both[name].until)}.
          </p>
        ))}
      <p class="faint">Choose another range or query for that side above.</p>
    </div>
  );
}
