SELECT {columns} FROM {rows} ORDER BY "at", pos, guid
