/**
 * `npm run test:large`: audits a folder of more than 1 GiB in a process whose heap may hold 64 MB, prints what it took, and ends with
 * exit code 1 where a finding is missing or memory grows with the folder.
 *
 *   --bytes <n>   of the log; default 1.2e9
 *   --dir <path>  where to make the folder; default: the system's temporary folder
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { silentLogger } from '../../../src/base/logger.ts'
import { MessageStore } from '../../../src/store/message-store.ts'

const HEAP_MB = 64
const RSS_MB_MAX = 256
const BODY_BYTES = 4000
const QUEUES = 8
const SEGMENT_BYTES = 64 * 1024 * 1024

const { values } = parseArgs({
  options: { bytes: { type: 'string' }, dir: { type: 'string' }, audit: { type: 'string' } },
})
if (values.audit === undefined) await makeAndAudit(Number(values.bytes ?? 1.2e9), values.dir ?? tmpdir())
else await audit(values.audit)

async function makeAndAudit(bytes: number, parent: string): Promise<void> {
  const dir = mkdtempSync(join(parent, 'pocketmq-large-'))
  try {
    await fill(dir, bytes)
    const heap = `--max-old-space-size=${HEAP_MB}`
    execFileSync(process.execPath, [heap, fileURLToPath(import.meta.url), '--audit', dir], { stdio: 'inherit' })
  } catch (error) {
    process.exitCode = 1
    console.error(String(error))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Messages with keys, and three damaged bytes in the middle. */
async function fill(dir: string, bytes: number): Promise<void> {
  const store = await MessageStore.open(dir, { commitLogSegmentBytes: SEGMENT_BYTES, logger: silentLogger })
  const body = Buffer.alloc(BODY_BYTES, 'body ')
  let count = 0
  while (store.watermarks.appended < bytes) {
    for (let i = 0; i < 2000; i++, count++)
      store.put({ topic: 'orders', queueId: count % QUEUES, body, properties: { KEYS: `key-${count}` } })
    await store.flush()
  }
  await store.close()
  for (const share of [0.25, 0.5, 0.75]) {
    const at = Math.floor(bytes * share)
    const segment = String(at - (at % SEGMENT_BYTES)).padStart(20, '0')
    const file = openSync(join(dir, 'commitlog', segment), 'r+')
    writeSync(file, Buffer.from([0xff]), 0, 1, at % SEGMENT_BYTES)
    closeSync(file)
  }
  console.log(`${count} messages, ${bytes} bytes of log, 3 bytes damaged`)
}

async function audit(dir: string): Promise<void> {
  const startedMs = performance.now()
  const store = await MessageStore.openReadOnly(dir, { logger: silentLogger })
  let rssMax = process.memoryUsage.rss()
  let told = 0
  let nextShare = 0
  const { findings, records, bytes } = await store.verify({
    onProgress: ({ done, total }) => {
      told++
      rssMax = Math.max(rssMax, process.memoryUsage.rss())
      if (done / total < nextShare) return
      nextShare += 0.1
      console.log(`${Math.round((100 * done) / total)} %  rss ${megabytes(process.memoryUsage.rss())} MB`)
    },
  })
  await store.close()
  const damaged = findings.filter(({ file }) => file.startsWith('commitlog/')).length
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  console.log(
    `${records} records, ${bytes} bytes in ${seconds} s; progress told ${told} times; rss at most ${megabytes(rssMax)} MB`,
  )
  console.log(`${damaged} damaged records named, ${findings.length} findings in all`)
  if (damaged !== 3 || megabytes(rssMax) > RSS_MB_MAX || told < 10) throw new Error('not as it should be')
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024)
}
