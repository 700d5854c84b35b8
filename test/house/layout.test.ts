/** The byte tables in the comments of codec/ are the positions that encoders and decoders use. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { byteTablesOf, complaintsAbout, isLayout } from './byte-tables.ts'
import { REPOSITORY, readSources } from './sources.ts'

const sources = [...readSources(['src'])].filter(([path]) => path !== 'src/codec/layout.ts')
const tabled = sources.filter(([, text]) => byteTablesOf(text).length > 0 || /_LAYOUT\b.* = \[/.test(text))

async function layoutsOf(path: string): Promise<unknown[]> {
  const module: Record<string, unknown> = await import(pathToFileURL(join(REPOSITORY, path)).href)
  return Object.values(module).filter(isLayout)
}

const inOrder = (tables: readonly unknown[]): string[] => tables.map(table => JSON.stringify(table)).sort()

describe('a byte table in a comment', () => {
  it('is there for the record, the consume-queue entry, the index file and the checkpoint', () => {
    const names = tabled.map(([path]) => path)
    for (const name of ['record-layout', 'consume-queue-entry', 'index-layout', 'checkpoint']) {
      expect(names).toContain(`src/codec/${name}.ts`)
    }
  })

  for (const [path, text] of tabled) {
    it(`says in ${path} what the code does, without hole or overlap`, async () => {
      const tables = byteTablesOf(text)
      expect(tables.flatMap(complaintsAbout)).toEqual([])
      expect(inOrder(tables)).toEqual(inOrder(await layoutsOf(path)))
    })
  }
})

describe('the reader of byte tables', () => {
  const table = (...rows: string[]): string =>
    ['/**', ' * | offset | bytes | field | meaning |', ' * | -----: | ----: | ----- | --- |', ...rows, ' */'].join('\n')

  it('reads each table of a comment', () => {
    const text = `${table(' * | 0 | 4 | size | the | whole |')}\n${table(' * | 0 | 8 | physicalOffset | |', ' * | 8 | 1 | kind | |')}`
    expect(byteTablesOf(text)).toEqual([
      [{ offset: 0, bytes: 4, field: 'size' }],
      [
        { offset: 0, bytes: 8, field: 'physicalOffset' },
        { offset: 8, bytes: 1, field: 'kind' },
      ],
    ])
  })

  it('refuses a row that is no row', () => {
    expect(() => byteTablesOf(table(' * | 0 | n | body | |'))).toThrow('line 4')
  })

  it('finds a hole, an overlap, a field named twice and an empty table', () => {
    const row = (offset: number, bytes: number, field: string): { offset: number; bytes: number; field: string } => ({
      offset,
      bytes,
      field,
    })
    expect(complaintsAbout([row(0, 4, 'a'), row(5, 4, 'b')])).toHaveLength(1)
    expect(complaintsAbout([row(0, 4, 'a'), row(3, 4, 'b')])).toHaveLength(1)
    expect(complaintsAbout([row(1, 4, 'a')])).toHaveLength(1)
    expect(complaintsAbout([row(0, 4, 'a'), row(4, 4, 'a')])).toHaveLength(1)
    expect(complaintsAbout([])).toHaveLength(1)
    expect(complaintsAbout([row(0, 4, 'a'), row(4, 8, 'b')])).toEqual([])
  })
})
