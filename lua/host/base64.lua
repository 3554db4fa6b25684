-- The Lua half of the module base64: streams through an encoding. `streams` is in front of this text (streams.lua).
local base64 = ...

-- A writer that writes whole groups to `writer` at once and what is left at `close`.
function base64.new_encoder(encoding, writer)
    local put = streams.sink(writer, 2, "new_encoder")
    local left = ""

    local function pass_on(text)
        local err = text ~= "" and put(encoding:encode_to_string(text))

        if err then
            error(err, 3)
        end
    end

    local function write(text)
        text = left .. text
        local whole = #text - #text % 3
        left = string.sub(text, whole + 1)
        pass_on(string.sub(text, 1, whole))
    end

    return streams.writer(write, function()
        pass_on(left)
        left = ""
    end)
end

-- A reader of what the text of `reader` decodes to. The text is read to its end at the first read.
function base64.new_decoder(encoding, reader)
    local pull = streams.pieces(reader, 2, "new_decoder")

    return streams.reader(function()
        local parts = {}

        for piece in pull do
            parts[#parts + 1] = piece
        end

        local text, err = encoding:decode_string(table.concat(parts))

        if not text then
            error(err, 0)
        end

        return text ~= "" and text or nil
    end)
end
