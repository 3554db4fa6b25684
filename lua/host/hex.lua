-- The Lua half of the module hex: streams of digits. `streams` is in front of this text (streams.lua).
local hex = ...

-- A writer that writes digits to `writer`.
function hex.new_encoder(writer)
    local put = streams.sink(writer, 1, "new_encoder")

    return streams.writer(function(text)
        local err = text ~= "" and put(hex.encode_to_string(text))

        if err then
            error(err, 3)
        end
    end)
end

-- A reader of what the digits of `reader` stand for.
function hex.new_decoder(reader)
    local pull = streams.pieces(reader, 1, "new_decoder")
    local left = "" -- a digit whose partner is in the next piece

    local function next_bytes()
        local piece = pull()

        if not piece then
            if left ~= "" then
                error("encoding/hex: odd length hex string", 0)
            end

            return nil
        end

        local text = left .. piece
        local whole = #text - #text % 2
        left = string.sub(text, whole + 1)

        if whole == 0 then
            return next_bytes()
        end

        local bytes, err = hex.decode_string(string.sub(text, 1, whole))

        if not bytes then
            error(err, 0)
        end

        return bytes
    end

    return streams.reader(next_bytes)
end
