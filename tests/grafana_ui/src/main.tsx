/* window.draw(content) draws one dashboard and tells what each panel shows. */

import { getValueFormats, ThemeContext } from '@grafana/data';
import { GlobalStyles } from '@grafana/ui';
import { createRoot, type Root } from 'react-dom/client';

import { startRegistries } from './fields';
import { type Content, Page, prepare, themeOf } from './page';

interface Shown {
  cut: boolean;
  id: number;
  kind: string;
  text: string;
  title: string;
}

let root: Root | undefined;
const styles = createRoot(document.getElementById('styles') as HTMLElement);

async function draw(content: Content): Promise<Shown[]> {
  root?.unmount();
  await styled(content.mode);
  const panels = await prepare(content);
  root = createRoot(document.getElementById('root') as HTMLElement);
  root.render(<Page content={content} panels={panels} />);
  await settled();
  return panels.map(({ panel }) => {
    const box = document.querySelector<HTMLElement>(`[data-panel="${panel.id}"]`) as HTMLElement;
    const heading = box.querySelector<HTMLElement>('h2');
    return {
      cut: heading !== null && heading.scrollWidth > heading.clientWidth,
      id: panel.id, kind: panel.type, text: box.innerText, title: panel.title,
    };
  });
}

/* Grafana's style sheet and its fonts come first: components measure their text when they are drawn. */
async function styled(mode: Content['mode']): Promise<void> {
  styles.render(
    <ThemeContext.Provider value={themeOf(mode)}>
      <GlobalStyles />
    </ThemeContext.Provider>,
  );
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await Promise.all(['400', '500', '600', '700'].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
}

/* Components measure themselves after they were drawn, and fetch their icons: wait until nothing changes any more. */
async function settled(): Promise<void> {
  let last = '';
  for (let quiet = 0; quiet < 4; ) {
    await new Promise((done) => setTimeout(done, 50));
    await new Promise((done) => requestAnimationFrame(done));
    const now = document.body.innerHTML;
    quiet = now === last ? quiet + 1 : 0;
    last = now;
  }
}

const units = (): string[] => getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value));

startRegistries();
Object.assign(window, { draw, units });
