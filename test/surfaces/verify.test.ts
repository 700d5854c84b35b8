import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fingerprint, unpack } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { pocketmq } from './run-command.ts'

async function produced(): Promise<string> {
  const dir = join(temporaryFolder(), 'store')
  const stdin = Array.from({ length: 200 }, (_, n) => `{"n":${n},"key":"k${n}"}\n`).join('')
  await pocketmq(['produce', dir, '--topic', 'orders', '--key-field', 'key'], { stdin })
  return dir
}

function flip(path: string, position: number): void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, position)
  writeSync(file, Buffer.of(byte.readUInt8() ^ 1), 0, 1, position)
  closeSync(file)
}

const LOG = 'commitlog/00000000000000000000'

describe('verify', () => {
  it('finds nothing in a folder that was closed cleanly, ours or a broker’s, and changes no byte', async () => {
    for (const dir of [await produced(), unpack('g1', temporaryFolder()), unpack('g4', temporaryFolder())]) {
      const before = fingerprint(dir)
      const { exitCode, stdout } = await pocketmq(['verify', dir])
      expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^clean: /)])
      expect(fingerprint(dir)).toEqual(before)
    }
  })

  it('names what is damaged, and ends with the exit code of bad news', async () => {
    const dir = await produced()
    flip(join(dir, LOG), 1234)
    const plain = await pocketmq(['verify', dir])
    expect([plain.exitCode, plain.stdout]).toEqual([1, expect.stringContaining(LOG)])
    const { exitCode, stdout } = await pocketmq(['verify', dir, '--json'])
    const report = JSON.parse(stdout)
    expect([exitCode, report.findingCount]).toEqual([1, report.findings.length])
    expect(report.findings[0]).toMatchObject({ file: LOG, offset: expect.any(Number) })
  })
})

describe('repair', () => {
  it('rebuilds what is derived, and verify finds nothing afterwards', async () => {
    const dir = await produced()
    rmSync(join(dir, 'consumequeue/orders/1'), { recursive: true })
    flip(join(dir, 'consumequeue/orders/2/00000000000000000000'), 47)
    expect((await pocketmq(['verify', dir])).exitCode).toBe(1)
    const { exitCode, stdout } = await pocketmq(['repair', dir])
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('clean')])
    expect((await pocketmq(['verify', dir])).exitCode).toBe(0)
    const messages = (await pocketmq(['dump', dir, '--no-body'])).lines().filter(line => line.t === 'msg')
    expect(messages).toHaveLength(200)
  })

  it('keeps everything behind a damaged record, and says what is lost', async () => {
    const dir = await produced()
    flip(join(dir, LOG), 1234)
    const { exitCode, stdout } = await pocketmq(['repair', dir])
    expect([exitCode, stdout]).toEqual([1, expect.stringMatching(/lost: log bytes \d+ to \d+/)])
    expect(stdout).toMatch(/lost: message \d+ of orders, queue \d/)
    expect((await pocketmq(['verify', dir])).exitCode).toBe(0)
    const messages = (await pocketmq(['dump', dir, '--no-body'])).lines().filter(line => line.t === 'msg')
    const isPlaceholder = (line: { properties?: object }): boolean => 'PMQ_LOST' in (line.properties ?? {})
    expect(messages.filter(line => !isPlaceholder(line))).toHaveLength(199)
    expect(messages).toHaveLength(200)
  })
})
