-- The Lua half of the module yaml: encoders and decoders over writers and readers. `streams` is in front of this text (streams.lua).
local yaml = ...
local decode_documents = yaml.decode_documents
yaml.decode_documents = nil

-- Writes one document per call of `encode`. It returns nothing, or an error.
function yaml.new_encoder(writer)
    local put = streams.sink(writer, 1, "new_encoder")
    local separator = ""
    local encoder = {}

    function encoder.encode(_, value)
        local text, err = yaml.encode(value)

        if not text then
            return err
        end

        text, separator = separator .. text, "---\n"

        return put(text)
    end

    return streams.object(encoder)
end

-- Reads one document per call of `decode`; `nil, "EOF"` behind the last one. The text is read to its end at the first call.
function yaml.new_decoder(reader)
    local pull = streams.pieces(reader, 1, "new_decoder")
    local strict, at = false, 0
    local documents, count, err
    local decoder = {}

    -- Whether a key may be given only once. Counts from the first `decode` on.
    function decoder.set_strict(_, on)
        if type(on) ~= "boolean" then
            error("bad argument #1 to set_strict (boolean expected, got " .. type(on) .. ")", 2)
        end

        strict = on
    end

    function decoder.decode()
        if not documents then
            local parts = {}

            for piece in pull do
                parts[#parts + 1] = piece
            end

            documents, count, err = decode_documents(table.concat(parts), strict)
        end

        if at == count then
            return nil, err or "EOF"
        end

        at = at + 1

        return documents[at]
    end

    return streams.object(decoder)
end
