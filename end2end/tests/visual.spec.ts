import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';
import { pictureStyle, still } from '../visual.ts';

// `npx playwright test visual.spec --update-snapshots` makes the references anew.
const REFERENCES = path.join(import.meta.dirname, '../references');

test.use({
  config: {
    'web.yaml': [
      onDemand('picture-deploy', 'for i in 1 2 3; do printf "\\033[32mstep\\033[0m $i\\n"; done; echo "a warning" >&2', ["targets: '*'"]),
      onDemand('picture-checks', 'echo checking; [ "$SP_MACHINE_ID" != beta ] || exit 3', ["targets: '*'"]),
    ].join('\n'),
    'db.yaml': 'backup:\n  schedule: "0 2 * * *"\n  command: echo backup\n  targets: gamma\n',
    'broken.yaml': 'typo:\n  schedule: "0 25 * * *"\n  command: echo x\n  targets: alpha\n',
    'zz.yaml': 'saltpeter_maintenance:\n  machines: [gamma]\n',
  },
});

test('every page looks as it did, in both themes and widths', async ({ page, newPage }, testInfo) => {
  const isMaking = ['all', 'changed'].includes(testInfo.config.updateSnapshots ?? '');
  test.skip(!existsSync(REFERENCES) && !isMaking, 'there are no references yet');
  test.setTimeout(180_000);
  const file = testInfo.outputPath('still.css');
  await pictureStyle(file);
  const style = await readFile(file, 'utf8');
  await runNow(page, 'picture-deploy');
  await expectRun(page, 'succeeded');
  const run = await runNow(page, 'picture-checks');
  await expectRun(page, 'failed');
  const pages = {
    jobs: '/',
    job: '/jobs/picture-checks',
    run: `/runs/${run}`,
    maintenance: '/maintenance',
    config: '/config',
    account: '/account',
  };
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [width, viewport] of [['wide', { width: 1280, height: 800 }], ['phone', { width: 390, height: 844 }]] as const) {
      // Fonts of one's own are not what the pages' policy allows.
      const shown = await newPage({ colorScheme, viewport, bypassCSP: true });
      for (const [name, address] of Object.entries(pages)) {
        if (name === 'account') await shown.goto(address);
        else {
          await open(shown, address);
          await expect(shown.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
        }
        await still(shown, style);
        await expect.soft(shown, name).toHaveScreenshot([`${name}-${colorScheme}-${width}.png`], {
          maxDiffPixelRatio: 0.005,
          // What names this test's own directory or build.
          mask: [shown.locator('td code.value'), shown.locator('.config-page .weak code')],
        });
      }
      await shown.close();
    }
  }
});

test('the pictures of the README', async ({ newPage, page }) => {
  test.skip(!process.env.README_PICTURES, 'README_PICTURES=1 makes them');
  await runNow(page, 'picture-deploy');
  await expectRun(page, 'succeeded');
  await runNow(page, 'picture-checks');
  await expectRun(page, 'failed');
  const shown = await newPage({ colorScheme: 'dark', viewport: { width: 1280, height: 640 } });
  await open(shown, '/');
  await expect(shown.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
  await shown.screenshot({ path: path.join(import.meta.dirname, '../../docs/images/jobs-dark.png') });
});
