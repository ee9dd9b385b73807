// SPDX-License-Identifier: Apache-2.0
// What /metrics says of scraping. Labels are as many as there are targets, which are bounded; what a target says of
// itself is in none.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Scraper } from './scraper.js';

export function scrapeMetrics(registry: Registry, scraper: Scraper): void {
  const common = { registers: [registry] };
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    read: (it: Gauge<L>) => void,
  ) =>
    new Gauge({
      ...common,
      name: `stackwell_agent_scrape_${name}`,
      help,
      labelNames,
      collect() {
        this.reset();
        read(this);
      },
    });
  const counter = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    read: (it: Counter<L>) => void,
  ) =>
    new Counter({
      ...common,
      name: `stackwell_agent_${name}`,
      help,
      labelNames,
      collect() {
        this.reset();
        read(this);
      },
    });
  const rounds = () => [...scraper.rounds.values()];
  const named = ({ target }: ReturnType<typeof rounds>[number]) => ({
    job: target.job.name,
    target: target.address,
  });
  const taken = () =>
    rounds().flatMap(one =>
      [...one.taken].map(([profile, state]) => ({ labels: { ...named(one), profile }, state })),
    );

  gauge('targets', 'targets that are scraped, by job', ['job'], it => {
    for (const one of rounds()) it.inc({ job: one.target.job.name });
  });
  gauge('targets_omitted', 'targets over agent.scrape.maxTargets', [], it =>
    it.set(scraper.discovery.omitted),
  );
  gauge('up', 'whether the last scrape of a profile worked', ['job', 'target', 'profile'], it => {
    for (const { labels, state } of taken()) if (state.up !== null) it.set(labels, state.up ? 1 : 0);
  });
  gauge(
    'last_error',
    '1 for the code of the last failure, until a scrape works',
    ['job', 'target', 'profile', 'code'],
    it => {
      for (const { labels, state } of taken())
        if (state.lastError !== null) it.set({ ...labels, code: state.lastError }, 1);
    },
  );
  gauge('last_success_timestamp_seconds', 'when a scrape last worked', ['job', 'target', 'profile'], it => {
    for (const { labels, state } of taken())
      if (state.lastSuccess > 0) it.set(labels, state.lastSuccess / 1000);
  });
  gauge('duration_seconds', 'how long the last scrape took', ['job', 'target', 'profile'], it => {
    for (const { labels, state } of taken()) if (state.up !== null) it.set(labels, state.seconds);
  });
  gauge('state_bytes', 'memory for counters of the profiles before', [], it => it.set(scraper.stateBytes));

  counter('scrapes_total', 'rounds of scrapes, by target', ['job', 'target'], it => {
    for (const one of rounds()) it.inc(named(one), one.scrapes);
  });
  counter('scrapes_late_total', 'rounds left out because the one before went on', ['job', 'target'], it => {
    for (const one of rounds()) it.inc(named(one), one.late);
  });
  counter('scrape_restarts_total', 'times counters of a target began anew', ['job', 'target'], it => {
    for (const one of rounds()) it.inc(named(one), one.restarts);
  });
  counter(
    'scrape_failures_total',
    'scrapes that failed, by target and code',
    ['job', 'target', 'code'],
    it => {
      for (const one of rounds())
        for (const [code, count] of one.failures) it.inc({ ...named(one), code }, count);
    },
  );
  counter(
    'scrape_discovery_failures_total',
    'looks for targets that failed, by job and code',
    ['job', 'code'],
    it => {
      for (const { job, code, count } of scraper.discovery.failures.values()) it.inc({ job, code }, count);
    },
  );
  counter('scraped_profiles_total', 'profiles that were taken from targets', [], it =>
    it.inc(scraper.profiles),
  );
}
