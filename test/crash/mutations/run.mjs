/**
 * Plants bugs into a copy of the engine, one by one, and runs the harness that must catch each. Prints a table; exits 1 where
 * one survives or does not apply any more. `npm run test:mutations [-- part of a name]`
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url))
const ENGINE = 'test/crash/power-cut.test.ts'
const QUEUES = 'test/crash/queue-cut.test.ts'
const FAULTS = 'test/crash/disk-faults.test.ts'
const CUTS = { [ENGINE]: '1500', [QUEUES]: '400', [FAULTS]: '0' }

/** Each: what is broken, where, the text that goes, the text that comes, and who must catch it. */
const MUTATIONS = [
  [
    'no folder fsync after a rename',
    'src/files/atomic-file.ts',
    '  await fileSystem.flushFolder(dirname(path))\n',
    '',
    ENGINE,
  ],
  [
    'a checkpoint ahead of the queues',
    'src/store/checkpointer.ts',
    'await this.#flushed(() => queues.flush())',
    '',
    ENGINE,
  ],
  [
    'acknowledged before fsync',
    'src/store/message-store.ts',
    'this.#parts.log.flushed.reached(physicalOffset, signal)',
    'this.#parts.log.written.reached(physicalOffset, signal)',
    ENGINE,
  ],
  [
    'recovery stops one record early',
    'src/store/rebuild.ts',
    'const end = await wholeUnitsEnd(parts, last, walked, progress.lastStart)',
    'await wholeUnitsEnd(parts, last, walked, progress.lastStart)\n  const end = Math.max(plan.wholeTo, progress.lastStart)',
    ENGINE,
  ],
  [
    'abort removed too soon',
    'src/store/close-store.ts',
    '  await flusher.flushNow()\n',
    '  await checkpointer.change({ ...takeCensus(files.queues, files.index), isCleanClose: true })\n  await removeAbortFile(fileSystem, dir)\n  await flusher.flushNow()\n',
    ENGINE,
  ],
  ['a torn append unit is kept', 'src/store/rebuild.ts', 'if (end <= plan.wholeTo) return end', 'return end', ENGINE],
  [
    'retention past the checkpoint',
    'src/store/retention.ts',
    'Math.min(checkpointed(), await keepFrom())',
    'Math.max(checkpointed(), await keepFrom())',
    ENGINE,
  ],
  [
    'a tombstone written after the files went',
    'src/store/tombstones.ts',
    '    await checkpointer.change({ tombstones: [...byTopic.values()] })\n',
    '',
    ENGINE,
  ],
  ['the index is not flushed', 'src/store/checkpointer.ts', 'await this.#flushed(() => index.flush())', '', ENGINE],
  [
    'a failed flush of the log is forgotten',
    'src/store/flusher.ts',
    '      this.#failure = asError(error)\n      onFailure(this.#failure)\n',
    '      log.flushed.advance?.(log.written.value)\n',
    FAULTS,
  ],
  [
    'a checkpoint follows a failed flush',
    'src/store/checkpointer.ts',
    '      this.#failure = asError(error)\n      this.#parts.onFailure(this.#failure)\n      throw error',
    '      throw error',
    FAULTS,
  ],
  [
    'op message and commit apart',
    'src/messaging/transactions.ts',
    'this.#store.putAll([...records, opOf([decided])])',
    '[...records, opOf([decided])].reverse().map(record => this.#store.put(record)).reverse()',
    QUEUES,
  ],
  [
    'retry and dead-letter copies without their settled mark',
    'src/messaging/retry-copy.ts',
    '[PROPERTY_PMQ_SETTLES]: formatSettles',
    'PMQ_NOTHING: formatSettles',
    QUEUES,
  ],
  [
    'offsets acknowledged by a file that is not flushed',
    'src/messaging/offset-log.ts',
    '    log.#writeAll()\n    await file.flush()\n',
    '    log.#writeAll()\n',
    QUEUES,
  ],
  ['a rename without a flush of the content', 'src/files/atomic-file.ts', '    await file.flush()\n', '', ENGINE],
]

const wanted = process.argv[2] ?? ''
const survivors = []
for (const [name, path, before, after, harness] of MUTATIONS.filter(([name]) => name.includes(wanted))) {
  const verdict = tryMutation({ path, before, after, harness })
  if (!verdict.startsWith('caught')) survivors.push(name)
  console.log(`${name.padEnd(52)} ${verdict}`)
}
console.log(survivors.length === 0 ? 'every planted bug was caught' : `SURVIVED: ${survivors.join('; ')}`)
process.exit(survivors.length === 0 ? 0 : 1)

function tryMutation({ path, before, after, harness }) {
  const folder = mkdtempSync(join(tmpdir(), 'pocketmq-mutation-'))
  try {
    for (const name of ['src', 'test', 'package.json', 'tsconfig.json']) {
      cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true })
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))
    const text = readFileSync(join(folder, path), 'utf8')
    if (!text.includes(before)) return `does not apply: ${path} has changed`
    writeFileSync(join(folder, path), text.replaceAll(before, after))
    const env = { ...process.env, CUTS: CUTS[harness], NO_COLOR: '1' }
    delete env.SEED
    const vitest = join(folder, 'node_modules/vitest/vitest.mjs')
    const run = spawnSync(process.execPath, [vitest, 'run', '--config', 'test/vitest.config.ts', harness], {
      ...{ cwd: folder, env, encoding: 'utf8', timeout: 300_000 },
    })
    if (run.status === 0) return `SURVIVED ${harness}`
    const failure = /^\s*×\s*(.*?)\s*\d*m?s?$/m.exec(run.stdout)?.[1] ?? 'the run did not end'
    return `caught by ${harness}: ${failure}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
