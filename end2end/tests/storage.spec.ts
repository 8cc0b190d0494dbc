import { expect, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

test.use({ config: { 'jobs.yaml': onDemand('steady', 'echo steady', ['targets: alpha']) } });

test('a full disk is said on every page until there is room', async ({ page, saltpeter }) => {
  const banner = page.getByTestId('storage-banner');
  await open(page, '/');
  await expect(banner).toHaveCount(0);
  await saltpeter.setFaults({ commit_failure: 'full' });
  // The first write is what notices it.
  await expect(async () => {
    const answer = await page.request.post('/api/v1/jobs/steady/run');
    expect(answer.status()).toBe(503);
  }).toPass({ timeout: 5_000 });
  await expect(banner).toContainText('is full');
  await open(page, '/config');
  await expect(banner).toContainText('nothing new starts');
  await saltpeter.setFaults({});
  await expect(banner).toHaveCount(0, { timeout: 10_000 });
  await runNow(page, 'steady');
  await expectRun(page, 'succeeded');
});
