import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { linesOf } from '../../src/surfaces/cli/input-lines.ts'

async function read(chunks: readonly (string | Buffer)[]): Promise<string[]> {
  const lines: string[] = []
  for await (const line of linesOf(Readable.from(chunks, { objectMode: true }))) lines.push(line.toString('latin1'))
  return lines
}

it('lines are found wherever a stream is cut into chunks', async () => {
  const text = Buffer.from('one\ntwo\r\n\nthree')
  for (let cut = 0; cut <= text.length; cut++) {
    expect(await read([text.subarray(0, cut), text.subarray(cut)])).toEqual(['one', 'two', '', 'three'])
  }
  expect(await read([...text].map(byte => Buffer.of(byte)))).toEqual(['one', 'two', '', 'three'])
})

it('a last line may lack its line break, and bytes stay what they are', async () => {
  expect(await read([])).toEqual([])
  expect(await read(['a\n'])).toEqual(['a'])
  expect(await read([Buffer.of(0xff, 0x00, 0xfe)])).toEqual(['\xff\x00\xfe'])
})

it('a line without end is refused before it fills the memory', async () => {
  const chunk = Buffer.alloc(1 << 20, 'x')
  let given = 0
  function* endless(): Generator<Buffer> {
    for (;;) {
      given++
      yield chunk
    }
  }
  const first = linesOf(Readable.from(endless())).next()
  await expect(first).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT' })
  expect(given).toBeLessThan(30)
})
