import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from '@playwright/test';
import { expect, open, SERVER_IS_DOWN, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';
import { welcome } from '../people.ts';
import { small } from '../png.ts';
import { neutral, pictureStyle, still } from '../visual.ts';

// `npx playwright test visual.spec --update-snapshots` makes the references anew.

const REFERENCES = path.join(import.meta.dirname, '../references');
const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const THEMES = ['light', 'dark'] as const;

/** Pixels that may differ, of a million: a rounded corner, but no word. */
const TOLERANCE = { maxDiffPixels: 40, threshold: 0.1 };

test.use({
  reducedMotion: 'reduce',
  // What differs is attached as pictures; a trace would keep the page once more at each step.
  trace: 'off',
  // Fonts of one's own are not what the pages' policy allows.
  bypassCSP: true,
  config: {
    'web.yaml': [
      onDemand('picture-deploy', 'for i in 1 2 3; do printf "\\033[32mstep\\033[0m $i\\n"; done; echo "a warning" >&2', ["targets: '*'"]),
      // The slower machine is the same each time.
      onDemand('picture-checks', 'echo checking; sleep 0.1; [ "$SP_MACHINE_ID" != beta ] || { sleep 0.5; exit 3; }', ["targets: '*'"]),
    ].join('\n'),
    'db.yaml': 'backup:\n  schedule: "0 2 * * *"\n  command: echo backup\n  targets: gamma\n',
    'broken.yaml': 'typo:\n  schedule: "0 25 * * *"\n  command: echo x\n  targets: alpha\n',
    'zz.yaml': 'saltpeter_maintenance:\n  machines: [gamma]\n  reason: kernel rollout\n',
  },
});

let style: string;
test.beforeAll(async () => {
  style = await pictureStyle();
});

/** Compares the page as it is with its references: both themes, both sizes. */
async function compare(page: Page, name: string): Promise<void> {
  await still(page, style);
  // Nothing is pointed at, whatever was pressed last.
  await page.mouse.move(0, 0);
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme });
      await neutral(page);
      const file = `${name}-${size}-${colorScheme}.png`;
      await expect.soft(page, file).toHaveScreenshot(file, TOLERANCE);
      if (isMaking()) await writeFile(path.join(REFERENCES, file), small(await readFile(path.join(REFERENCES, file))));
    }
  }
}

function isMaking(): boolean {
  return ['all', 'changed'].includes(test.info().config.updateSnapshots);
}

test('every page looks as it did, in both themes and sizes', async ({ page, newPage, guard }) => {
  test.setTimeout(180_000);
  await runNow(page, 'picture-deploy');
  await expectRun(page, 'succeeded');
  const run = await runNow(page, 'picture-checks');
  await expectRun(page, 'failed');
  const shown = await newPage();
  // The address of each, and what is there once it is complete.
  const pages: Record<string, [address: string, testid: string]> = {
    jobs: ['/', 'job-row-picture-checks'],
    'jobs-none': ['/?q=nothing-is-called-that', 'job-table'],
    job: ['/jobs/picture-checks', 'history'],
    run: [`/runs/${run}`, 'output-line'],
    merged: [`/runs/${run}?merged=beta`, 'run-state'],
    runs: ['/runs', 'run-row'],
    'runs-none': ['/runs?job=backup', 'no-runs'],
    timeline: ['/timeline', 'timeline-bar'],
    machines: ['/machines', 'machine-row'],
    maintenance: ['/maintenance', 'maintenance-machines'],
    config: ['/config', 'config-files'],
    editor: ['/jobs/picture-checks/edit', 'matched'],
    'new-job': ['/new-job', 'matched'],
    'no-such-job': ['/jobs/no-such-job', 'failure'],
    'no-such-page': ['/no-such-page', 'failure'],
  };
  guard.allow(/404/);
  for (const [name, [address, testid]] of Object.entries(pages)) {
    await open(shown, address);
    await expect(shown.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
    await expect(shown.getByTestId(testid).first(), name).toBeVisible();
    await compare(shown, name);
  }

  await open(shown, '/import');
  await shown.getByTestId('import-example').click();
  await expect(shown.getByTestId('import-yaml')).toBeVisible();
  await compare(shown, 'import');

  await open(shown, '/');
  await expect(shown.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
  await shown.keyboard.press('Control+k');
  await shown.getByTestId('palette-input').fill('a');
  await expect(shown.getByTestId('palette-row').filter({ hasText: /^(machine|page)/ }).first()).toBeVisible();
  await compare(shown, 'palette');

  await shown.goto('/audit');
  await compare(shown, 'audit');
});

test.describe('of a new server', () => {
  test.use({ config: {} });

  test('pages look as they did that are empty, that wait, and that have lost the server', async ({ newPage, saltpeter, guard }) => {
    guard.allow(...SERVER_IS_DOWN, /409/);
    const page = await newPage();
    await open(page, '/');
    await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
    await compare(page, 'jobs-empty');

    // The answer is kept back until the page has been looked at.
    let answer = () => {};
    const looked = new Promise<void>((resolve) => (answer = resolve));
    await page.route('**/api/v1/runs*', async (route) => {
      await looked;
      await route.continue();
    });
    await page.setViewportSize(SIZES.wide);
    await page.getByRole('link', { name: 'Runs', exact: true }).click();
    await expect(page.locator('.skeleton')).toBeVisible();
    await compare(page, 'runs-loading');
    answer();
    await expect(page.getByTestId('no-runs')).toBeVisible();
    await compare(page, 'runs-empty');

    await open(page, '/maintenance');
    await page.getByTestId('maintenance-reason').fill('mine');
    await expect(page.getByTestId('maintenance-diff')).toBeVisible();
    await saltpeter.writeConfig('maintenance.yaml', 'saltpeter_maintenance:\n  machines: [beta]\n');
    await page.getByTestId('maintenance-save').click();
    await expect(page.getByTestId('maintenance-conflict')).toBeVisible();
    await compare(page, 'maintenance-conflict');

    await open(page, '/');
    await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
    await saltpeter.stop();
    await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'offline', { timeout: 30_000 });
    await compare(page, 'offline');
  });
});

test.describe('with a login', () => {
  test.use({ auth: true });

  test('the pages about people look as they did', async ({ page, newPage, saltpeter, guard }) => {
    guard.allow(/401/);
    await page.goto('/login');
    await compare(page, 'login-first');
    await welcome(page, saltpeter);
    const stranger = await newPage();
    await stranger.goto('/login');
    await expect(stranger.getByLabel('Password')).toBeVisible();
    await compare(stranger, 'login');
    for (const name of ['account', 'users', 'tokens']) {
      await page.goto(`/${name}`);
      await compare(page, name);
    }
  });
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
