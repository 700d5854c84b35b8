/** The pages of `docs/`, taken apart: their fenced blocks, and the programs that the blocks of one page are together. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../house/sources.ts'

/** A fenced block. */
export type Block = { readonly language: string; readonly text: string; readonly line: number }

/** One block of a page's program, and what has to be printed while it runs. */
export type Step = { readonly text: string; readonly prints: string; readonly line: number }

/** Languages a block may have: what is run, what it prints, what is typed into a shell, and plain text. */
const LANGUAGES: ReadonlySet<string> = new Set(['js', 'output', 'sh', 'text'])
/** Longest line of a program on a page. */
const COLUMNS_MAX = 120

/** Paths of all pages, from the repository's root. */
export function pagePaths(): string[] {
  return readdirSync(join(REPOSITORY, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => join('docs', name))
    .sort()
}

export function readPage(path: string): string {
  return readFileSync(join(REPOSITORY, path), 'utf8')
}

/** A page's fenced blocks, in order. `language` is everything behind the fence. */
export function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^(`{3,})([^\n]*)\n(.*?)^\1[ \t]*$/gms)].map(match => ({
    language: (match[2] as string).trim(),
    text: match[3] as string,
    line: page.slice(0, match.index).split('\n').length,
  }))
}

/** What is wrong with a page's blocks: none may look like a program without being run. */
export function faultsOf(page: string): string[] {
  const faults: string[] = []
  let before: Block | undefined
  for (const block of blocksOf(page)) {
    const { language, line, text } = block
    if (!LANGUAGES.has(language)) faults.push(`line ${line}: a block of '${language}': use js, which is run`)
    if (language === 'output' && before?.language !== 'js') faults.push(`line ${line}: output of no program`)
    if (language === 'text' && /\bawait\b|\bimport\b.*\bfrom\b/.test(text))
      faults.push(`line ${line}: a program that is not run`)
    if (language === 'js' && text.split('\n').some(row => row.length > COLUMNS_MAX))
      faults.push(`line ${line}: a line of more than ${COLUMNS_MAX} columns`)
    before = block
  }
  const fences = page.match(/^```/gm)?.length ?? 0
  if (fences !== blocksOf(page).length * 2) faults.push('a fence that is not closed')
  return faults
}

/** The js blocks of a page, each with the output block that follows it; without one it prints nothing. */
export function stepsOf(page: string): Step[] {
  const blocks = blocksOf(page)
  return blocks.flatMap(({ language, text, line }, i) => {
    if (language !== 'js') return []
    const next = blocks[i + 1]
    return [{ text, prints: next?.language === 'output' ? next.text : '', line }]
  })
}
