/** Bars in SVG, as text: readable on a light page and on a dark one. */

export type Bar = { readonly name: string; readonly value: number; readonly text: string; readonly isOurs: boolean }

const WIDTH = 720
const NAME_WIDTH = 190
const VALUE_WIDTH = 150
const BAR_HEIGHT = 18
const ROW_HEIGHT = 26
const HEAD_HEIGHT = 52
const STYLE = [
  'text{font:13px sans-serif;fill:#1f2328}',
  '.title{font-size:15px;font-weight:600}',
  '.note{font-size:12px;fill:#59636e}',
  '.ours{fill:#c2410c}',
  '.theirs{fill:#8c959f}',
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.ours{fill:#f97316}.theirs{fill:#6e7681}}',
].join('')

/** One bar for each contestant, the longest as wide as there is room. */
export function barChart(title: string, note: string, bars: readonly Bar[]): string {
  const height = HEAD_HEIGHT + bars.length * ROW_HEIGHT + 8
  const most = Math.max(...bars.map(({ value }) => value))
  const room = WIDTH - NAME_WIDTH - VALUE_WIDTH
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${escaped(`${title}, ${note}`)}</title>`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="8" y="20">${escaped(title)}</text>`,
    `<text class="note" x="8" y="38">${escaped(note)}</text>`,
    ...bars.flatMap(({ name, value, text, isOurs }, i) => {
      const y = HEAD_HEIGHT + i * ROW_HEIGHT
      const width = Math.max(1, Math.round((value / most) * room))
      return [
        `<text x="${NAME_WIDTH - 8}" y="${y + 14}" text-anchor="end">${escaped(name)}</text>`,
        `<rect class="${isOurs ? 'ours' : 'theirs'}" x="${NAME_WIDTH}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
        `<text x="${NAME_WIDTH + width + 8}" y="${y + 14}">${escaped(text)}</text>`,
      ]
    }),
    '</svg>',
  ]
  return `${lines.join('\n')}\n`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
