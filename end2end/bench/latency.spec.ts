import { cpus } from 'node:os';
import { expect, open, test } from '../fixtures.ts';

/** Machines that write at the same time; one of them is watched. */
const STREAMS = 20;
/** Lines that each writes, one every 100 ms. */
const LINES = 150;

const machines = Array.from({ length: STREAMS }, (_, index) => `m${String(index + 1).padStart(2, '0')}`);

test.use({
  config: {
    'streams.yaml': `
saltpeter_config:
  local_machines: [${machines.join(', ')}]

streams:
  schedule: '0 0 1 1 *'
  targets: '*'
  command: |
    for i in $(seq ${LINES}); do
      printf 'written at %s\\n' "$(date +%s%3N)"
      sleep 0.1
    done
`,
  },
});

/** The value below which `share` of the sorted values lie. */
function percentile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

test('from the write of a line to its text in the page', async ({ page }) => {
  const started = await page.request.post('/api/v1/jobs/streams/run');
  const { run } = (await started.json()) as { run: string };
  // Notes when each line's text first stands in the document.
  await page.addInitScript(() => {
    const seen = new Map<string, number>();
    Object.assign(window, { seen });
    new MutationObserver(() => {
      const now = Date.now();
      for (const [, stamp] of (document.body?.textContent ?? '').matchAll(/written at (\d{13})/g)) {
        if (stamp !== undefined && !seen.has(stamp)) seen.set(stamp, now);
      }
    }).observe(document, { childList: true, subtree: true, characterData: true });
  });
  const opened = Date.now();
  await open(page, `/runs/${run}?machine=m01`);
  const alive = Date.now();
  await expect(page.getByTestId('run-state')).toHaveAttribute('data-state', 'succeeded', { timeout: 120_000 });

  const seen = await page.evaluate(() => [...(window as unknown as { seen: Map<string, number> }).seen]);
  // Lines from before the page was there say nothing about the way from write to page.
  const delays = seen
    .filter(([stamp]) => Number(stamp) > alive + 500)
    .map(([stamp, at]) => at - Number(stamp))
    .sort((a, b) => a - b);
  expect(delays.length, 'lines seen live').toBeGreaterThan(LINES / 2);

  const row = (name: string, value: string) => console.log(`  ${name.padEnd(24)}${value.padStart(10)}`);
  console.log(`\nLine written → text in the page, ${STREAMS} streams, ${cpus().length} × ${cpus()[0]?.model}`);
  row('page alive after', `${alive - opened} ms`);
  row('lines measured', String(delays.length));
  for (const share of [0.5, 0.95, 0.99]) row(`p${share * 100}`, `${percentile(delays, share)} ms`);
  row('max', `${delays.at(-1)} ms`);
  expect(percentile(delays, 0.95), 'p95 in ms').toBeLessThan(150);
});
