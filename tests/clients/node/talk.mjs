// Asks a server (address: the first argument) with tools, with the tool's result, streamed and as a response.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "any", maxRetries: 0 });
const tools = [{ type: "function", function: { name: "run_sql", parameters: {
  type: "object", properties: { query: { type: "string" } }, required: ["query"] } } }];
const messages = [{ role: "user", content: "How many orders" }];

const first = await client.chat.completions.create({ model: "tiny", messages, tools });
const [call] = first.choices[0].message.tool_calls;
messages.push(first.choices[0].message, { role: "tool", tool_call_id: call.id, content: "7" });
const second = await client.chat.completions.create({ model: "tiny", messages, tools });

let streamed = "";
for await (const part of await client.chat.completions.create({ model: "tiny", messages, stream: true })) {
  streamed += part.choices[0]?.delta?.content ?? "";
}
const response = await client.responses.create({ model: "tiny", input: "How many orders" });

console.log(JSON.stringify({
  call: [call.function.name, JSON.parse(call.function.arguments)],
  answer: second.choices[0].message.content, streamed, response: response.output_text }));
