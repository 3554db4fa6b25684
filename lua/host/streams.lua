-- Readers and writers: the "files" that modules hand to each other. This text stands in front of the Lua half of every module that makes
-- or takes some; the module's own half follows. Rules: specification lua/modules-glua.md 2.4.
-- A reader is anything with a method `read` (an io.open handle, a script's table, one of ours), a writer likewise with `write`.
-- A module whose half makes writers lists modules::support::streams::WRITE among its functions.
local streams = {}

local write = (...).write
;(...).write = nil

-- An object with these methods; its state is in their upvalues, out of the reach of scripts.
function streams.object(methods)
    return setmetatable({}, { __index = methods, __metatable = false })
end

local function insist(value, method, position, name)
    local kind = type(value)

    if (kind ~= "table" and kind ~= "userdata") or type(value[method]) ~= "function" then
        error("bad argument #" .. position .. " to " .. name .. " (object with a method '" .. method .. "' expected, got " .. kind .. ")", 4)
    end
end

-- The pieces of a reader, for a host function that takes one: a function that returns the next piece, nil at the end.
function streams.pieces(reader, position, name)
    insist(reader, "read", position, name)

    return function(count)
        local piece = reader:read(count or 4096)

        if piece ~= nil and type(piece) ~= "string" then
            error(name .. ": the reader returned a " .. type(piece), 2)
        end

        return piece ~= "" and piece or nil
    end
end

-- A function that writes a text to a writer, and returns its error, if it has one.
function streams.sink(writer, position, name)
    insist(writer, "write", position, name)

    return function(text)
        local ok, err = writer:write(text)

        return not ok and err or nil
    end
end

-- A reader over the pieces that `pull` returns until it returns nil.
function streams.reader(pull)
    local rest, at = "", 1 -- what was pulled last, and the first byte of it that was not read yet

    -- Makes sure that there is something to read. False at the end.
    local function fill()
        while at > #rest do
            rest, at = pull(), 1

            if not rest then
                rest = ""

                return false
            end
        end

        return true
    end

    local function take(last)
        local text = string.sub(rest, at, last)
        at = last + 1

        return text
    end

    local function read_all()
        local parts = {}

        while fill() do
            parts[#parts + 1] = take(#rest)
        end

        return table.concat(parts)
    end

    local function read_line()
        if not fill() then
            return nil
        end

        local parts = {}

        repeat
            local newline = string.find(rest, "\n", at, true)

            if newline then
                parts[#parts + 1] = take(newline - 1)
                at = newline + 1

                break
            end

            parts[#parts + 1] = take(#rest)
        until not fill()

        return table.concat(parts)
    end

    -- The longest text from here on of characters of the set.
    local function read_while(set)
        local parts = {}

        while fill() do
            local last = select(2, string.find(rest, "^" .. set .. "+", at))

            if not last then
                break
            end

            parts[#parts + 1] = take(last)
        end

        return table.concat(parts)
    end

    local function read_number()
        read_while("%s")

        if not fill() then
            return 0
        end

        local text = read_while("[%w.+-]")

        return tonumber(text) or error("read: '" .. text .. "' is not a number", 2)
    end

    local methods = {}

    function methods.read(_, format)
        if type(format) == "number" then
            if format <= 0 then
                return ""
            end

            return fill() and take(math.min(#rest, at + math.floor(format) - 1)) or nil
        elseif format == nil or format == "*l" then
            return read_line()
        elseif format == "*a" then
            return read_all()
        elseif format == "*n" then
            return read_number()
        end

        error("bad argument #1 to read (invalid format)", 2)
    end

    function methods.close() end

    return streams.object(methods)
end

-- A writer that passes what it gets to `put`, a text at a time. `close` may be nil; `more` are further methods.
function streams.writer(put, close, more)
    local methods = more or {}

    function methods.write(_, ...)
        put(write(...))
    end

    methods.close = close or function() end

    return streams.object(methods)
end

