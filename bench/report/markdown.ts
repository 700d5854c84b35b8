/** Parts of a page that are written by a program: `<!-- mark -->` to the next `<!-- end -->`. */

/** The page with another text between its marks. */
export function withSection(page: string, mark: string, text: string): string {
  const start = page.indexOf(`<!-- ${mark} -->\n`)
  const end = page.indexOf('<!-- end -->', start)
  if (start < 0 || end < 0) throw new Error(`the page has no part '${mark}'`)
  return `${page.slice(0, page.indexOf('\n', start) + 1)}${text}${page.slice(end)}`
}
