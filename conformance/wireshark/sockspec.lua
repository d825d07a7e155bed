-- A dissector of the protocol of SPEC.md for Wireshark and tshark.
--
-- Install it with `sockspec wireshark --install`, or name it: tshark -X lua_script:sockspec.lua -r FILE
-- Ports 7007 and 7037 are known. Elsewhere the first request or reply is recognized; or choose Decode As, SOCKSPEC.
-- Filters: sockspec.verb has requests, sockspec.status replies; fields go by their names (sockspec.seq > 3);
-- sockspec.fault.* is what a server answers with ERR, sockspec.malformed.* what no reply may be.

local LINE_BYTES, REPLY_BYTES = 4101, 32768
local NAME_CHARACTERS, REASON_CHARACTERS, TOKEN_CHARACTERS = 64, 40, 20
local INTERVAL_MIN, INTERVAL_MAX = 0.01, 86400
local WAIT_BYTES = 65536 -- a line or reply over TCP that is longer is shown before its end has come

local function set(words)
   local members = {}
   for word in words:gmatch("%S+") do members[word] = true end
   return members
end

local SERVER_PORTS = { [7007] = true, [7037] = true }
local VERBS, STATUSES = set("ECHO TIME"), set("OK ERR TICK CHALLENGE")
local CODES = set("too-long bad-encoding unknown-verb bad-request bad-character bad-name busy")
local TAB_FIELDS = set("message reversed upper") -- TEXT-4

local sockspec = Proto("sockspec", "sockspec, echo and time service")

local fields = {
   verb = ProtoField.string("sockspec.verb", "verb"),
   argument = ProtoField.string("sockspec.argument", "argument"),
   status = ProtoField.string("sockspec.status", "status"),
   incomplete = ProtoField.uint32("sockspec.incomplete", "not complete yet, bytes so far"),
   other = ProtoField.string("sockspec.other", "other line"),
   time = ProtoField.absolute_time("sockspec.time", "time", base.UTC),
}
for name in ("message reversed upper sha256 name token code reason"):gmatch("%S+") do
   fields[name] = ProtoField.string("sockspec." .. name, name)
end
for name in ("length bytes seq"):gmatch("%S+") do
   fields[name] = ProtoField.uint64("sockspec." .. name, name)
end
for name in ("interval lease"):gmatch("%S+") do
   fields[name] = ProtoField.double("sockspec." .. name, name)
end
sockspec.fields = fields

-- The faults of a request, by their codes (ERR-3), and of a reply.
local fault, malformed, experts = {}, {}, {}
local function declare(kind, into, severity, name, text)
   local filter = "sockspec." .. kind .. "." .. name:gsub("-", "_")
   into[name] = ProtoExpert.new(filter, text, expert.group.PROTOCOL, severity)
   experts[#experts + 1] = into[name]
end
for name, text in pairs({
   ["too-long"] = "a line of more than LINE_BYTES bytes (ERR-4)",
   ["bad-encoding"] = "not well-formed UTF-8 (ERR-5)",
   ["unknown-verb"] = "neither ECHO nor TIME (over TCP ERR-6, over UDP no answer: UDP-2)",
   ["bad-request"] = "a line after the first that is no field (ERR-7)",
   ["bad-character"] = "a control character (ERR-8)",
   ["bad-name"] = "a name that is empty, too long or has a space at an end (ERR-9)",
}) do
   declare("fault", fault, expert.severity.WARN, name, text)
end
for name, text in pairs({
   ["encoding"] = "not well-formed UTF-8 (TEXT-4)",
   ["control"] = "a control character (TEXT-4)",
   ["cr"] = "CR in a reply: lines end with LF alone (REP-2)",
   ["status"] = "none of OK, ERR, TICK and CHALLENGE (section 4)",
   ["no-field"] = "a line after the first that is no field (section 4)",
   ["no-empty-line"] = "no empty line at the end (section 4)",
   ["behind"] = "bytes behind the empty line of a datagram (CLI-23)",
   ["too-long"] = "a reply of more than REPLY_BYTES bytes (CLI-23)",
   ["missing"] = "a field is missing (REP-1)",
   ["unexpected"] = "a field that this reply does not have, or has already (REP-1)",
   ["order"] = "fields in another order (REP-1)",
   ["form"] = "a value not of its form (CLI-24, ERR-2)",
   ["value"] = "a value that is not that of the message (ECHO-3, ECHO-5, ECHO-6)",
}) do
   declare("malformed", malformed, expert.severity.ERROR, name, text)
end
sockspec.experts = experts

-- Text. Strings are bytes here; patterns name the bytes of UTF-8.

-- Whether bytes are UTF-8 as RFC 3629 has it: each good sequence becomes an ASCII character, and no other byte is left.
local function is_utf_8(text)
   if not text:find("[\128-\255]") then return true end
   for _, sequence in ipairs({
      "[\194-\223][\128-\191]",
      "\224[\160-\191][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]", "\237[\128-\159][\128-\191]",
      "\240[\144-\191][\128-\191][\128-\191]", "[\241-\243][\128-\191][\128-\191][\128-\191]",
      "\244[\128-\143][\128-\191][\128-\191]",
   }) do
      text = text:gsub(sequence, ".")
   end
   return not text:find("[\128-\255]")
end

-- Whether there is a control character besides TAB.
local function has_control(text)
   return text:find("[\0-\8\10-\31\127]") or text:find("\194[\128-\159]")
end

local function characters(text)
   return select(2, text:gsub("[^\128-\191]", ""))
end

local function reversed(text)
   local all = {}
   for character in text:gmatch("[^\128-\191][\128-\191]*") do table.insert(all, 1, character) end
   return table.concat(all)
end

-- Text for the column Info: on one line, not too long.
local function shown(text)
   if not is_utf_8(text) then text = text:gsub("[\128-\255]", "?") end
   text = text:gsub("[\0-\31\127]", "?"):gsub("\194[\128-\159]", "?")
   return #text > 200 and text:sub(1, 200):gsub("[\192-\255][\128-\191]*$", "") .. "..." or text
end

-- The lines of some bytes: where each begins (from 0), its text without LF, and whether it has its LF.
local function split(raw)
   local lines, start = {}, 1
   while start <= #raw do
      local last = raw:find("\n", start, true)
      lines[#lines + 1] = { at = start - 1, text = raw:sub(start, (last or #raw + 1) - 1), ended = last ~= nil }
      start = (last or #raw) + 1
   end
   return lines
end

-- Values, as CLI-24 has them. Each function returns what the field's filter takes, or nil for another form.

local function good_name(text)
   return 1 <= characters(text) and characters(text) <= NAME_CHARACTERS
      and not has_control(text) and not text:find("^ ") and not text:find(" $") and not text:find("\t")
end

local function natural(text)
   return (text == "0" or text:find("^[1-9]%d*$")) and #text <= 19 and UInt64.new(text) or nil
end

-- Not `tonumber`: where the decimal point is a comma it does not take "0.05".
local function decimal(text)
   local whole, point, digits = text:match("^(%d+)(%.?)(%d*)$")
   if not whole or whole:find("^0%d") or (point == "") ~= (digits == "") or digits:find("0$") then return nil end
   return tonumber(whole) + (tonumber(digits) or 0) / 10 ^ #digits
end

local function moment(text)
   local parts = { text:match("^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)%.(%d%d%d)Z$") }
   for index, part in ipairs(parts) do parts[index] = tonumber(part) end
   local year, month, day, hour, minute, second, millisecond = table.unpack(parts)
   if not year or month < 1 or month > 12 or hour > 23 or minute > 59 or second > 59 then return nil end
   local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
   local lengths = { 31, leap and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
   if day < 1 or day > lengths[month] then return nil end
   local past = year - 1 -- whole years since the year 1; days count from 1970-01-01
   local days = past * 365 + math.floor(past / 4) - math.floor(past / 100) + math.floor(past / 400) - 719162
   for each = 1, month - 1 do days = days + lengths[each] end
   return NSTime.new((days + day - 1) * 86400 + hour * 3600 + minute * 60 + second, millisecond * 1000000)
end

local function any(text) return text end

local function printable(most, first)
   return function(text) return #text <= most and text:find("^[" .. first .. "-~]+$") and text or nil end
end

local forms = {
   message = any, reversed = any, upper = any, length = natural, bytes = natural, lease = decimal, time = moment,
   sha256 = function(text) return #text == 64 and text:find("^[0-9a-f]+$") and text or nil end,
   name = function(text) return good_name(text) and text or nil end,
   token = printable(TOKEN_CHARACTERS, "!"), reason = printable(REASON_CHARACTERS, " "),
   code = function(text) return CODES[text] and text or nil end,
   seq = function(text) return text ~= "0" and natural(text) or nil end,
   interval = function(text)
      local value = decimal(text)
      return value and INTERVAL_MIN <= value and value <= INTERVAL_MAX and value or nil
   end,
}

-- What an echo server says of a message (ECHO-3, ECHO-5, ECHO-6). `upper` and `sha256` are not computed here.
local truths = {
   reversed = reversed,
   length = function(message) return tostring(characters(message)) end,
   bytes = function(message) return tostring(#message) end,
}

-- The names of a reply's fields, in their order.
local function expected(status, values, over_tcp)
   if status == "ERR" then return { "code", "reason" } end
   if status == "TICK" then return { "name", "time", "seq" } end
   if status == "CHALLENGE" then return { "token" } end
   if values.name or values.interval then
      return over_tcp and { "name", "interval" } or { "name", "interval", "lease" }
   end
   local echo = { "message", "reversed", "upper", "length" }
   if over_tcp then echo[5], echo[6] = "bytes", "sha256" end
   return echo
end

-- Requests and replies.

-- Add text that stands in a range; a range cannot be empty.
local function add_text(item, name, range, at, size)
   if size == 0 then return item:add(fields[name], "") end
   return (item:add_packet_field(fields[name], range(at, size), ENC_UTF_8))
end

-- Add a field of a reply. Return its item, and whether its value is of its form.
local function add_field(item, name, value, range, at)
   local kept = forms[name] and forms[name](value)
   local value_at = at + #name + 2
   if not kept then
      return add_text(item, "other", range, at, #name + 2 + #value), not forms[name]
   elseif type(kept) == "string" then
      return add_text(item, name, range, value_at, #value), true
   end
   return item:add(fields[name], range(value_at, #value), kept):set_text(name .. ": " .. value), true
end

local function dissect_request(raw, range, tree, over_tcp)
   local item = tree:add(sockspec, range)
   local lines = split(raw)
   for _, line in ipairs(lines) do
      if line.ended then line.text = line.text:gsub("\r$", "") end -- REQ-3
      if #line.text > LINE_BYTES then item:add_proto_expert_info(fault["too-long"]) end
   end
   local first = lines[1] or { at = 0, text = "" }
   local verb = first.text:match("^[^ ]*")
   local argument = first.text:sub(#verb + 2)
   add_text(item, "verb", range, 0, #verb)
   if not is_utf_8(raw) then item:add_proto_expert_info(fault["bad-encoding"]) end
   if not VERBS[verb] then item:add_proto_expert_info(fault["unknown-verb"]) end
   local kept = verb == "ECHO" and "message" or verb == "TIME" and "name" or "argument"
   if kept ~= "argument" or argument ~= "" then add_text(item, kept, range, #verb + 1, #argument) end
   if has_control(argument) or verb == "TIME" and argument:find("\t") then
      item:add_proto_expert_info(fault["bad-character"])
   elseif verb == "TIME" and not good_name(argument) then
      item:add_proto_expert_info(fault["bad-name"])
   end
   for index = 2, #lines do
      local line = lines[index]
      local name, value = line.text:match("^([a-z][a-z0-9-]*): (.*)$")
      if name == "token" and forms.token(value) then
         add_text(item, "token", range, line.at + #"token: ", #value)
      else
         local child = add_text(item, "other", range, line.at, #line.text)
         if not name then
            child:add_proto_expert_info(fault["bad-request"])
         elseif has_control(value) or value:find("\t") then
            child:add_proto_expert_info(fault["bad-character"])
         end
      end
   end
   item:set_text("sockspec, request: " .. shown(first.text))
   return shown(first.text)
end

local function check_fields(item, status, names, values, over_tcp)
   local order = expected(status, values, over_tcp)
   local places, last, seen = {}, 0, {}
   for place, name in ipairs(order) do
      places[name] = place
      if not values[name] then item:add_proto_expert_info(malformed["missing"], "missing (REP-1): " .. name) end
   end
   for _, name in ipairs(names) do
      if not places[name] or seen[name] then
         item:add_proto_expert_info(malformed["unexpected"], "not in this reply, or there already (REP-1): " .. name)
      elseif places[name] < last then
         item:add_proto_expert_info(malformed["order"])
      end
      last, seen[name] = math.max(last, places[name] or 0), true
   end
   for name, truth in pairs(truths) do
      if values.message and values[name] and is_utf_8(values.message) and values[name] ~= truth(values.message) then
         item:add_proto_expert_info(malformed["value"], "not that of the message (ECHO-3, ECHO-5, ECHO-6): " .. name)
      end
   end
end

local function dissect_reply(raw, range, tree, over_tcp)
   local item = tree:add(sockspec, range)
   local lines, names, values, info = split(raw), {}, {}, {}
   local complete = false
   if #raw > REPLY_BYTES then item:add_proto_expert_info(malformed["too-long"]) end
   if not is_utf_8(raw) then item:add_proto_expert_info(malformed["encoding"]) end
   for index, line in ipairs(lines) do
      local text = line.text:gsub("\r", "")
      local name, value = text:match("^([a-z][a-z0-9-]*): (.*)$")
      local child = item
      if index == 1 then
         info[1] = text
         child = add_text(item, "status", range, 0, #text)
         if not STATUSES[text] then child:add_proto_expert_info(malformed["status"]) end
      elseif text == "" then
         complete = line.ended
         if index < #lines then item:add_proto_expert_info(malformed["behind"]) end
      elseif name then
         local good
         child, good = add_field(item, name, value, range, line.at)
         if not good then child:add_proto_expert_info(malformed["form"], "not of its form (CLI-24, ERR-2): " .. name) end
         names[#names + 1], values[name] = name, values[name] or value
         info[2] = info[2] or value
      else
         child = add_text(item, "other", range, line.at, #line.text)
         child:add_proto_expert_info(malformed["no-field"])
      end
      if text ~= line.text then child:add_proto_expert_info(malformed["cr"]) end
      if has_control(text) or text:find("\t") and not TAB_FIELDS[name] then
         child:add_proto_expert_info(malformed["control"])
      end
      if complete then break end
   end
   if not complete then item:add_proto_expert_info(malformed["no-empty-line"]) end
   if STATUSES[info[1]] then check_fields(item, info[1], names, values, over_tcp) end
   local said = shown(table.concat(info, " "))
   item:set_text("sockspec, reply: " .. said)
   return said
end

-- Packets.

-- Addresses of servers on other ports than the known ones: they have replied, or somebody has asked them.
local servers = {}

function sockspec.init() servers = {} end

-- Return the two addresses of a packet, and whether each is a server's.
local function ends(pinfo)
   local source = tostring(pinfo.src) .. " " .. pinfo.src_port
   local destination = tostring(pinfo.dst) .. " " .. pinfo.dst_port
   return source, destination,
      SERVER_PORTS[pinfo.src_port] or servers[source], SERVER_PORTS[pinfo.dst_port] or servers[destination]
end

local function is_reply(pinfo, raw)
   local source, destination, from_server, to_server = ends(pinfo)
   if from_server ~= to_server then return from_server end
   local word = raw:match("^[^ \r\n]*")
   if STATUSES[word] then servers[source] = true elseif VERBS[word] then servers[destination] = true end
   return STATUSES[word]
end

-- Where, in a stream, the request or reply ends that begins there; nil: not yet.
local function find_end(raw, start, reply)
   local last = raw:find("\n", start, true)
   if not reply then return last end
   local from = start
   while last do
      local line = raw:sub(from, last - 1):gsub("\r", "")
      if line == "" then return last end
      if from > start and STATUSES[line] then return from - 1 end -- the next reply: the empty line is missing
      from, last = last + 1, raw:find("\n", last + 1, true)
   end
end

local function show(pinfo, text)
   pinfo.cols.protocol = "sockspec"
   pinfo.cols.info:set(text .. "  ")
   pinfo.cols.info:fence() -- of several in one packet each is shown
end

function sockspec.dissector(tvb, pinfo, tree)
   if tvb:captured_len() < tvb:reported_len() then return 0 end -- cut off when it was captured
   local over_tcp = pinfo.port_type == 2
   local raw = tvb:len() > 0 and tvb:raw() or ""
   local reply = is_reply(pinfo, raw)
   local dissect = reply and dissect_reply or dissect_request
   if not over_tcp then
      show(pinfo, dissect(raw, tvb:range(), tree, false))
      return tvb:len()
   end
   local offset = 0
   while offset < #raw do
      local last = find_end(raw, offset + 1, reply)
      if not last and #raw - offset <= WAIT_BYTES then
         tree:add(sockspec, tvb(offset)):add(fields.incomplete, tvb(offset), #raw - offset)
         pinfo.cols.protocol = "sockspec"
         pinfo.desegment_offset, pinfo.desegment_len = offset, DESEGMENT_ONE_MORE_SEGMENT
         return tvb:len()
      end
      last = last or #raw
      show(pinfo, dissect(raw:sub(offset + 1, last), tvb(offset, last - offset), tree, true))
      offset = last
   end
   return tvb:len()
end

-- Whether bytes on a port that is not known are a good request or reply. All packets come here: most need one look.
local function is_sockspec(tvb, over_tcp)
   local word = tvb:raw(0, math.min(tvb:len(), #"CHALLENGE\n")):match("^[^ \r\n]*")
   if not (VERBS[word] or STATUSES[word]) then return false end
   local raw = tvb:raw()
   if STATUSES[word] then return raw:find("^[A-Z]+\r?\n[a-z][a-z0-9-]*: ") end
   return is_utf_8(raw:match("^[^\r\n]*")) and (not over_tcp or raw:find("\n", 1, true))
end

local function heuristic(tvb, pinfo, tree)
   if tvb:len() == 0 then return false end
   local _, _, from_server, to_server = ends(pinfo)
   if not (from_server or to_server or is_sockspec(tvb, pinfo.port_type == 2)) then return false end
   pinfo.conversation = sockspec -- what else passes there need not be recognized
   sockspec.dissector(tvb, pinfo, tree)
   return true
end

for _, transport in ipairs({ "udp", "tcp" }) do
   for port in pairs(SERVER_PORTS) do DissectorTable.get(transport .. ".port"):add(port, sockspec) end
   sockspec:register_heuristic(transport, heuristic)
end
