/** Both addons are optional: where one cannot be loaded, what needs it says so, and the rest works. */
import { describe, expect, it } from 'vitest'
import { NO_MMAP } from '../support/mmap-available.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { answersOf, diskChild } from './child.ts'

/** A shell command after which no Node process finds this: the name of a package, or what is required of it. */
const without = (name: string): string => {
  const resolve = `export async function resolve(specifier, context, next) {
    if (specifier === '${name}') throw new Error('no build for this platform')
    return next(specifier, context)
  }`
  const url = (code: string): string => `data:text/javascript;base64,${Buffer.from(code).toString('base64')}`
  const register = `import Module, { register } from 'node:module'
    register(${JSON.stringify(url(resolve))})
    const find = Module._resolveFilename
    Module._resolveFilename = (request, ...others) => {
      if (request === '${name}' || request.startsWith('${name}/')) throw new Error('no build for this platform')
      return find(request, ...others)
    }`
  return `export NODE_OPTIONS='--import=${url(register)}'`
}

describe('where the lock addon cannot be loaded', () => {
  it('taking the lock is LOCK_UNAVAILABLE with what to do', async () => {
    const answers = await answersOf(diskChild(['try-lock', temporaryFolder()], without('fs-native-extensions')))
    expect(answers.lock).toMatchObject({
      code: 'POCKETMQ_LOCK_UNAVAILABLE',
      hint: expect.stringContaining("lock: 'none'"),
    })
  })

  it('files and segments work', async () => {
    const child = diskChild(['append', 'file', temporaryFolder(), '100000', '1000'], without('fs-native-extensions'))
    expect(await child.next()).toMatchObject({ code: 'none', written: 100_000 })
  })
})

describe('where mmap-io cannot be loaded', () => {
  it('a mapped segment is INVALID_ARGUMENT with what to do, and a buffered one works', async () => {
    const mapped = diskChild(['append', 'mmap', temporaryFolder(), '100000', '1000'], without('mmap-io'))
    expect(await mapped.next()).toMatchObject({
      code: 'POCKETMQ_INVALID_ARGUMENT',
      hint: expect.stringContaining('npm i mmap-io'),
      details: { option: 'io' },
    })
    const buffered = diskChild(['append', 'file', temporaryFolder(), '100000', '1000'], without('mmap-io'))
    expect(await buffered.next()).toMatchObject({ code: 'none', written: 100_000 })
  })

  it('a mapped segment works where it was not compiled in its own folder, if the package finds it', async ({
    skip,
  }) => {
    if (NO_MMAP !== undefined) skip(NO_MMAP)
    const found = diskChild(['append', 'mmap', temporaryFolder(), '100000', '1000'], without('mmap-io/package.json'))
    expect(await found.next()).toMatchObject({ code: 'none', written: 100_000 })
  })

  it('the lock can be taken', async () => {
    const answers = await answersOf(diskChild(['try-lock', temporaryFolder()], without('mmap-io')))
    expect(answers.lock).toMatchObject({ code: 'none' })
  })
})
