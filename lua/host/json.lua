-- The Lua half of the module json: encoders and decoders over writers and readers. `streams` is in front of this text (streams.lua).
local json = ...
local encode_styled, decode_next = json.encode_styled, json.decode_next
json.encode_styled, json.decode_next = nil, nil

local function bad_argument(position, name, expected, got)
    error("bad argument #" .. position .. " to " .. name .. " (" .. expected .. " expected, got " .. type(got) .. ")", 3)
end

-- Writes one value per call of `encode`, each with a line end. It returns nothing, or an error.
function json.new_encoder(writer)
    local put = streams.sink(writer, 1, "new_encoder")
    local prefix, indent, html_safe = "", "", true
    local encoder = {}

    function encoder.encode(_, value)
        local text, err = encode_styled(value, prefix, indent, html_safe)

        if not text then
            return err
        end

        return put(text .. "\n")
    end

    function encoder.set_indent(_, new_prefix, new_indent)
        if type(new_prefix) ~= "string" then
            bad_argument(1, "set_indent", "string", new_prefix)
        elseif type(new_indent) ~= "string" then
            bad_argument(2, "set_indent", "string", new_indent)
        end

        prefix, indent = new_prefix, new_indent
    end

    function encoder.set_escape_HTML(_, on)
        if type(on) ~= "boolean" then
            bad_argument(1, "set_escape_HTML", "boolean", on)
        end

        html_safe = on
    end

    return streams.object(encoder)
end

-- Reads one value per call of `decode`; `nil, "EOF"` behind the last one. Reads no further ahead than it must.
function json.new_decoder(reader)
    local pull = streams.pieces(reader, 1, "new_decoder")
    local text, at = "", 0 -- what was pulled and is still needed; how much of it was decoded
    local passed = 0 -- bytes in front of `text`
    local decoder = {}

    -- False at the end. Pulls ever larger pieces, so that a long value is not decoded too often.
    local function fill()
        local piece = pull(math.max(4096, #text))

        if not piece then
            return false
        end

        text, passed, at = string.sub(text, at + 1) .. piece, passed + at, 0

        return true
    end

    -- The next character that is no blank and no separator, nil at the end.
    local function next_character()
        repeat
            local found = string.find(text, "[^%s,:]", at + 1)

            if found then
                return string.sub(text, found, found)
            end
        until not fill()
    end

    local function blank_to_the_end()
        repeat
            if string.find(text, "%S", at + 1) then
                return false
            end
        until not fill()

        return true
    end

    function decoder.decode()
        if blank_to_the_end() then
            return nil, "EOF"
        end

        while true do
            local value, stop, err, short = decode_next(text, at)
            -- A number or a word that ends with the text may go on in the next piece.
            local may_go_on = stop == #text and not string.find(text, "[]}\"]$")

            if stop and not (may_go_on and fill()) then
                at = stop

                return value
            elseif err and not (short and fill()) then
                return nil, short and "unexpected EOF" or err
            end
        end
    end

    -- Whether there is another value, in front of a closing bracket.
    function decoder.more()
        local character = next_character()

        return character ~= nil and character ~= "]" and character ~= "}"
    end

    -- How many bytes were decoded so far.
    function decoder.input_offset()
        return passed + at
    end

    return streams.object(decoder)
end
