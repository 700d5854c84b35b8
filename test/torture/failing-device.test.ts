/** A device that is gone under a running process, with what the page cache held of it. Needs root and loop devices. */
import type { ChildProcessByStdio } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { childScript } from '../support/child-scripts.ts'
import { NO_MMAP } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { CarriedExt4, noExt4, noFailure } from './devices.ts'

const NO_DEVICE = (await noExt4()) ?? noFailure('device failed')
if (NO_DEVICE !== undefined) console.log(`SKIPPED devices that are gone: ${NO_DEVICE}`)

type Child = ChildProcessByStdio<Writable, Readable, null>

/** How a process ends whose device is gone, what it says of it, and what is in the folder when the device is back. */
async function deviceGone(io: 'file' | 'mmap') {
  const device = await CarriedExt4.create(temporaryFolder())
  try {
    const dir = join(device.folder, 'store')
    const script = childScript('test/torture/gone-child.ts')
    const child: Child = spawn(process.execPath, [script, dir, io], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    const [ready] = await once(child.stdout, 'data')
    expect(String(ready)).toBe('ready\n')
    await device.lose()
    child.stdin.end('go\n')
    const [said, [, signal]] = await Promise.all([text(child.stdout), ended])
    await device.repair()
    const mq = await PocketMQ.open(dir, { logger: silentLogger, retention: { freeBytesMin: 0 } })
    const kept: string[] = []
    for await (const { body } of mq.store.scan(0)) kept.push(body.toString('utf8', 0, 4))
    await mq.close()
    return { said: said.trim(), signal, kept }
  } finally {
    await device.unmount()
  }
}

it.skipIf(NO_DEVICE !== undefined)("with io: 'file' a device that is gone is a typed error", async () => {
  const said = expect.stringMatching(/^POCKETMQ_(IO|STORE_FAILED)$/)
  expect(await deviceGone('file')).toEqual({ said, signal: null, kept: ['kept'] })
})

it.skipIf((NO_DEVICE ?? NO_MMAP) !== undefined)(
  "with io: 'mmap' a device that is gone ends the process by SIGBUS",
  async () => {
    expect(await deviceGone('mmap')).toEqual({ said: '', signal: 'SIGBUS', kept: ['kept'] })
  },
)
