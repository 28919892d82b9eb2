// Sends a message and prints its answer: node requester.mjs TEXT [QUEUE] [BROKER].
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const [text = 'World', queue = 'greetings', broker = 'http://127.0.0.1:4000'] = process.argv.slice(2)
const token = process.env.AMC_TOKEN ? { Authorization: `Bearer ${process.env.AMC_TOKEN}` } : {}
const key = randomUUID() // the same request again makes no second message

async function post() {
  const reply = await fetch(`${broker}/queues/${queue}/messages`, {
    method: 'POST', body: JSON.stringify({ message: text }), signal: AbortSignal.timeout(30_000),
    headers: { Prefer: 'wait=20', 'Idempotency-Key': key, ...token } })
  if (!reply.ok && ![429, 503].includes(reply.status)) { console.error((await reply.json()).detail); process.exit(1) }
  return reply.ok ? reply.json() : { status: 'pending' }
}

let message = { status: 'pending' }
while (message.status === 'pending')
  try { message = await post() }
  catch (why) { console.error('waits for the broker:', why.message); await sleep(1000) } // it is away, or restarts
console.log(message.status === 'done' ? message.message : message.status)
process.exit(message.status === 'done' ? 0 : 1)
