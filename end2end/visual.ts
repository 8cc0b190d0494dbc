import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from '@playwright/test';

const FONTS = path.join(import.meta.dirname, 'node_modules/dejavu-fonts-ttf/ttf');

/** Fonts of our own, so that a picture is the same on every host. */
const FACES: [family: string, file: string, weight: number][] = [
  ['picture', 'DejaVuSans.ttf', 400],
  ['picture', 'DejaVuSans-Bold.ttf', 600],
  ['picture-mono', 'DejaVuSansMono.ttf', 400],
];

/**
 * What is of the moment has the same size in every picture, and no ink: times, how long something took, names of runs (which
 * have a time in them), versions of files.
 */
const STILL = `
  :root { --font: picture !important; --mono: picture-mono !important; }
  *, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important; }
  time, .lasting { display: inline-block !important; width: 80px !important; height: 1.2em; overflow: hidden; vertical-align: bottom; }
  time, .lasting, .clock, a[href*="/runs/"], .run-head h1, .upcoming code, .timed, .slowest td:nth-child(2), .chart b ~ *, .chart span { color: transparent !important; }
  .chart svg, .spark, .slowest svg, .upcoming .tag, .upcoming .note { visibility: hidden !important; }
  .upcoming .note { display: none !important; }
`;

/** Writes the style sheet for pictures to `file`. */
export async function pictureStyle(file: string): Promise<void> {
  const faces = await Promise.all(
    FACES.map(async ([family, name, weight]) => {
      const font = (await readFile(path.join(FONTS, name))).toString('base64');
      return `@font-face { font-family: ${family}; font-weight: ${weight}; src: url(data:font/ttf;base64,${font}); }`;
    }),
  );
  await writeFile(file, faces.join('\n') + STILL);
}

/** Puts it into the page, and waits until its fonts are there. */
export async function still(page: Page, style: string): Promise<void> {
  await page.addStyleTag({ content: style });
  await page.evaluate(async () => {
    await Promise.all(['14px picture', 'bold 14px picture', '12px picture-mono'].map((font) => document.fonts.load(font)));
    await document.fonts.ready;
  });
}
